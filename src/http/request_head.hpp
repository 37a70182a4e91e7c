#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace infernode::http {

// A request line and its fields may have so many bytes.
constexpr std::size_t kMaxHeadBytes = 16 * 1024;
constexpr std::size_t kMaxTargetBytes = 8 * 1024;

// Why a request is none that can be answered, and with what.
struct HeadFault {
  int status = 400;
  std::string detail;
};

// Where the head in `received` ends: behind its empty line, or nullopt when that has not come yet.
// `from`: what was looked at before.
std::optional<std::size_t> head_end(std::string_view received, std::size_t from);

// What is wrong with a head, or with the beginning of one, as RFC 9112 has it; nullopt when nothing
// is. Read strictly, since what proxies and servers read differently lets requests be smuggled:
// lines end in CRLF, fields are not folded, there is one Host, the body's length is said once.
std::optional<HeadFault> fault_of_head(std::string_view head);
// Of a head that is not whole yet: what no more bytes can mend.
std::optional<HeadFault> fault_of_beginning(std::string_view received);

// Of one field's line, without its end; also of a trailer's.
std::optional<HeadFault> fault_of_field_line(std::string_view line);
// Whether a field's value holds nothing but what is visible, blanks, tabs and parts of longer
// characters (RFC 9110, 5.5).
bool is_field_value(std::string_view text);

// A target (RFC 9112, 3.2), taken apart.
struct Target {
  std::string path;       // "/" for "http://host"; "*" for that
  std::string query;      // without its question mark
  std::string authority;  // of "http://host/path": it stands for the Host; else empty
};
Target parse_target(std::string_view target);

}  // namespace infernode::http
