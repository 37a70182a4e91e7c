#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace infernode {

// The value as JSON text. Unlike Boost.JSON's own serializer it writes numbers in plain shortest
// decimal form (99.205, not 9.9205E1), so that amounts read as people write them. NaN and infinity
// have no JSON form and become null.
std::string json_text(const boost::json::value& value);
// The same, behind what `out` has.
void append_json(std::string& out, const boost::json::value& value);
void append_json_string(std::string& out, std::string_view text);

// Reads one JSON text from outside (RFC 8259, UTF-8, at most 32 levels deep) in one pass. Refuses
// what follows the value, objects with a name twice, numbers that a double does not keep, lone
// surrogates, and the character U+0000 in any string, which PostgreSQL cannot store; the Error is
// `malformed` and says where. A string with a control character, and an object or a list of more
// than 1000 members, are `invalid`, with a pointer to the place.
Result<boost::json::value> parse_json(std::string_view text);

// Whether a UTF-8 text holds a control character (C0, DEL or C1).
bool has_control_character(std::string_view text);

// Whether a text is UTF-8 as JSON and PostgreSQL want it: no overlong form, surrogate or U+0000.
bool is_utf8(std::string_view text);
// Each character of a UTF-8 text, as a text.
std::vector<std::string> utf8_characters(std::string_view text);

// The longest beginning of a UTF-8 text that has at most `bytes` bytes and ends with a whole
// character.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes);

// A number of tokens as a JSON number.
boost::json::value json_tokens(Tokens tokens);

}  // namespace infernode
