#include "core/json_splitter.hpp"

#include <stdexcept>

namespace infernode {

void JsonSplitter::feed(std::string_view text) {
  const std::size_t keep = depth_ > 0 ? begin_ : at_;
  text_.erase(0, keep);
  at_ -= keep;
  begin_ = 0;
  text_ += text;
}

std::optional<std::string> JsonSplitter::next() {
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '{' || c == '[') {
      if (depth_++ == 0) {
        begin_ = at_;
      }
    } else if (c == '}' || c == ']') {
      if (--depth_ < 0) {
        throw std::runtime_error("these are no JSON objects behind each other");
      }
      if (depth_ == 0) {
        ++at_;
        return text_.substr(begin_, at_ - begin_);
      }
    } else if (depth_ == 0) {
      if (c != ',' && c != '\n') {
        throw std::runtime_error("these are no JSON objects behind each other");
      }
    } else if (c == '"') {
      in_string_ = true;
    }
  }
  return std::nullopt;
}

}  // namespace infernode
