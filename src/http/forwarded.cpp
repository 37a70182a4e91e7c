#include "http/forwarded.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "core/blanks.hpp"
#include "http/message.hpp"

namespace infernode::http {
namespace {

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = std::min(text.find(separator), text.size());
    parts.push_back(without_blanks(text.substr(0, end)));
    if (end == text.size()) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

// node of RFC 7239, 6: an address, in brackets where it is IPv6 with a port, and maybe a port.
std::optional<std::string> address_of_node(std::string_view node) {
  if (node.size() >= 2 && node.front() == '"' && node.back() == '"') {
    node = node.substr(1, node.size() - 2);
  }
  if (auto whole = normalised_address(node)) {
    return whole;
  }
  if (node.starts_with('[')) {
    return normalised_address(node.substr(1, node.find(']') - 1));
  }
  return normalised_address(node.substr(0, node.find(':')));
}

// Of "for=192.0.2.1;proto=https;by=...".
std::optional<std::string> address_of_element(std::string_view element) {
  for (const auto pair : split_at(element, ';')) {
    if (pair.size() > 4 && lower_case(pair.substr(0, 4)) == "for=") {
      return address_of_node(pair.substr(4));
    }
  }
  return std::nullopt;
}

// From the right, past proxies that are trusted. What cannot be read ends it there.
std::string last_untrusted(const AddressSet& proxies, std::string peer, std::string_view list,
                           std::optional<std::string> (*address_of)(std::string_view)) {
  const auto hops = split_at(list, ',');
  for (auto hop = hops.rbegin(); hop != hops.rend() && proxies.contains(peer); ++hop) {
    auto address = address_of(*hop);
    if (!address) {
      break;
    }
    peer = std::move(*address);
  }
  return peer;
}

}  // namespace

std::string client_address(const AddressSet& proxies, const std::string& peer,
                           const std::map<std::string, std::string>& headers) {
  const std::string own = normalised_address(peer).value_or(peer);
  if (!proxies.contains(own)) {
    return own;
  }
  std::optional<std::string> client;
  if (const auto list = headers.find("x-forwarded-for"); list != headers.end()) {
    client = last_untrusted(proxies, own, list->second, address_of_node);
  }
  if (const auto list = headers.find("forwarded"); list != headers.end()) {
    auto said = last_untrusted(proxies, own, list->second, address_of_element);
    client = client.value_or(said) == said ? said : own;
  }
  return client.value_or(own);
}

}  // namespace infernode::http
