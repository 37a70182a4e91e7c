#include "core/address_set.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "core/blanks.hpp"

namespace infernode {
namespace {

namespace ip = boost::asio::ip;

std::optional<ip::address> address_of(std::string_view text) {
  boost::system::error_code error;
  auto address = ip::make_address(std::string{text}, error);
  if (error) {
    return std::nullopt;
  }
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

}  // namespace

std::optional<std::string> normalised_address(std::string_view text) {
  const auto address = address_of(text);
  return address ? std::optional{address->to_string()} : std::nullopt;
}

std::string counted_address(const std::string& text) {
  if (text.find(':') == std::string::npos) {
    return text;
  }
  const auto address = address_of(text);
  if (!address || address->is_v4()) {
    return address ? address->to_string() : text;
  }
  auto bytes = address->to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return ip::address_v6{bytes}.to_string() + "/64";
}

std::optional<AddressSet> AddressSet::parse(std::string_view list) {
  AddressSet set;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    std::string part{without_blanks(list.substr(0, comma))};
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (part.find('/') == std::string::npos) {
      const auto address = address_of(part);
      if (!address) {
        return std::nullopt;
      }
      part = address->to_string() + (address->is_v4() ? "/32" : "/128");
    }
    boost::system::error_code no_v4;
    boost::system::error_code no_v6;
    const auto v4 = ip::make_network_v4(part, no_v4);
    const auto v6 = ip::make_network_v6(part, no_v6);
    if (!no_v4) {
      set.v4_.push_back(v4.canonical());
    } else if (!no_v6) {
      set.v6_.push_back(v6.canonical());
    } else {
      return std::nullopt;
    }
  }
  return set;
}

bool AddressSet::contains(std::string_view text) const {
  const auto address = address_of(text);
  if (!address) {
    return false;
  }
  if (address->is_v4()) {
    const auto v4 = address->to_v4();
    return std::any_of(v4_.begin(), v4_.end(), [&](const ip::network_v4& network) {
      return ip::network_v4{v4, network.prefix_length()}.canonical() == network;
    });
  }
  const auto v6 = address->to_v6();
  return std::any_of(v6_.begin(), v6_.end(), [&](const ip::network_v6& network) {
    return ip::network_v6{v6, network.prefix_length()}.canonical() == network;
  });
}

}  // namespace infernode
