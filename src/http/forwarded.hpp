#pragma once

#include <map>
#include <string>

#include "core/address_set.hpp"

namespace infernode::http {

// Where a request comes from: the peer's address, or, when the peer is a proxy that is trusted, the
// last address in X-Forwarded-For or Forwarded (RFC 7239) that is of no trusted proxy. What stands
// before it anybody can write, so it is not looked at. Where the two headers disagree one of them
// is the client's own, and the peer stands for it. `headers`: names in lower case.
std::string client_address(const AddressSet& proxies, const std::string& peer,
                           const std::map<std::string, std::string>& headers);

}  // namespace infernode::http
