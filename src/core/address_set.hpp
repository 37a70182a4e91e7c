#pragma once

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace infernode {

// An IP address in its usual form, IPv4 inside of IPv6 ("::ffff:192.0.2.1") as IPv4; nullopt for
// anything else.
std::optional<std::string> normalised_address(std::string_view text);

// What an address is counted as by whoever limits addresses: itself or, for IPv6, its /64 network,
// since that is what one client has.
std::string counted_address(const std::string& address);

// Whether an address is one of the internet's, that whoever asks could reach without us: none that
// the IANA's registries of special purpose addresses (RFC 6890) keep for a machine, a network, or
// for ways of writing another address. False for a text that is none.
bool is_public_address(std::string_view text);

// IP addresses, by networks.
class AddressSet {
public:
  // "192.0.2.1, 10.0.0.0/8, fd00::/8"; nullopt when a part is none. Nothing is the empty set.
  static std::optional<AddressSet> parse(std::string_view list);

  // `address` as normalised_address() gives it; false for a text that is none.
  bool contains(std::string_view address) const;
  bool empty() const { return v4_.empty() && v6_.empty(); }

private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

}  // namespace infernode
