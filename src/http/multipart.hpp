#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "http/message.hpp"

namespace infernode::http {

// The boundary in a Content-Type of multipart/form-data (RFC 7578, RFC 2046: 1..70 characters).
std::optional<std::string> multipart_boundary(std::string_view content_type);

struct PartHeader {
  std::string name;      // of the form's field
  std::string filename;  // last component only, without control characters; empty if none was given
  bool is_file = false;  // a filename was given
};

// Takes a multipart/form-data body apart as it arrives. Memory is bounded by what one feed() brings
// and by the limits on headers, whatever the body holds.
class MultipartParser {
public:
  enum class Event { need_more, part, data, part_end, end };

  explicit MultipartParser(const std::string& boundary);

  // More of the body. Call only after next() said need_more.
  void feed(std::span<const std::byte> bytes);
  // What comes next; an Error (malformed) for a body that is none.
  Result<Event> next();
  // After `part`.
  const PartHeader& header() const { return header_; }
  // After `data`.
  std::vector<std::byte> take_data() { return std::move(data_); }
  // What is wrong with a body that ends here; nullopt when it had its end.
  std::optional<Error> finish() const;

private:
  enum class State { preamble, after_delimiter, header, body, done };

  std::string delimiter_;  // with the line break before it
  std::string buffer_;
  State state_ = State::preamble;
  PartHeader header_;
  std::vector<std::byte> data_;
  int parts_ = 0;
};

// Takes bytes of a part as they come, or says why it does not.
using PartSink = std::function<asio::awaitable<Result<void>>(std::vector<std::byte> bytes)>;

// Draws the events of a request's body, reading more of it as needed.
class MultipartReader {
public:
  MultipartReader(BodyStream& stream, const std::string& boundary)
      : stream_{stream}, parser_{boundary} {}

  // Never need_more.
  asio::awaitable<Result<MultipartParser::Event>> next();
  // After `part`.
  const PartHeader& header() const { return parser_.header(); }
  // After `part`: gives its bytes to `take`, to their end or to the first error.
  asio::awaitable<Result<void>> read_part(PartSink take);

private:
  BodyStream& stream_;
  MultipartParser parser_;
};

}  // namespace infernode::http
