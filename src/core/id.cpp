#include "core/id.hpp"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace infernode {

boost::uuids::uuid random_uuid() {
  return boost::uuids::random_generator_pure{}();
}

std::optional<boost::uuids::uuid> parse_uuid(std::string_view text) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kShape.size()) {
    return std::nullopt;
  }
  const auto digit = [text](std::size_t i) {
    const char c = text[i];
    const char lower = static_cast<char>(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  boost::uuids::uuid uuid{};
  auto* byte = uuid.begin();
  for (std::size_t i = 0; i < kShape.size();) {
    if (kShape[i] == '-') {
      if (text[i++] != '-') {
        return std::nullopt;
      }
      continue;
    }
    const int high = digit(i++);
    const int low = digit(i++);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    *byte++ = static_cast<std::uint8_t>(high * 16 + low);
  }
  return uuid;
}

std::string uuid_text(const boost::uuids::uuid& uuid) {
  return boost::uuids::to_string(uuid);
}

}  // namespace infernode
