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

bool is_public_address(std::string_view text) {
  static const auto special_v4 = AddressSet::parse(
      "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
      "192.0.0.0/24, 192.0.2.0/24, 192.31.196.0/24, 192.52.193.0/24, 192.88.99.0/24, "
      "192.168.0.0/16, 192.175.48.0/24, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, "
      "224.0.0.0/3");
  // Nothing else of IPv6 is given out; in it, 2001::/23 is for protocols (Teredo among them),
  // 2002::/16 is 6to4, and the others are for documentation.
  static const auto global_v6 = AddressSet::parse("2000::/3");
  static const auto special_v6 =
      AddressSet::parse("2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20, 2620:4f:8000::/48");
  const auto address = address_of(text);
  if (!address) {
    return false;
  }
  return address->is_v4() ? !special_v4->contains(text)
                          : global_v6->contains(text) && !special_v6->contains(text);
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
