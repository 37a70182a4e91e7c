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
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool is_hex =
        std::string_view{"0123456789abcdefABCDEF"}.find(text[i]) != std::string_view::npos;
    if (kShape[i] == 'x' ? !is_hex : text[i] != '-') {
      return std::nullopt;
    }
  }
  return boost::uuids::string_generator{}(text.begin(), text.end());
}

std::string uuid_text(const boost::uuids::uuid& uuid) {
  return boost::uuids::to_string(uuid);
}

}  // namespace infernode
