#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace infernode {

// Takes a run of JSON objects apart as it comes in, in pieces of any size: lines with a comma
// before each, or an array's content (",{...},{...}"), since it goes by the braces. Memory is
// bounded by the longest object.
class JsonSplitter {
public:
  // More of the text; call when next() has nothing.
  void feed(std::string_view text);
  // The next object; nullopt when more text is needed. Throws std::runtime_error for
  // what is no such run.
  std::optional<std::string> next();
  // Whether the text may end here: not in the middle of one.
  bool complete() const { return depth_ == 0; }

private:
  std::string text_;
  std::size_t at_ = 0;     // how far it was looked at
  std::size_t begin_ = 0;  // of the object that is open
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace infernode
