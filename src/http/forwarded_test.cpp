// Goal: a client behind proxies is known by its own address, and cannot choose another.
#include "http/forwarded.hpp"

#include <gtest/gtest.h>

namespace infernode::http {
namespace {

TEST(CountedAddress, TakesAnIpv6NetworkAsOne) {
  EXPECT_EQ(counted_address("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(counted_address("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(counted_address("::ffff:192.0.2.7"), "192.0.2.7");
}

TEST(AddressSet, HoldsAddressesAndNetworks) {
  const auto set = AddressSet::parse("192.0.2.1, 10.0.0.0/8,fd00::/8, 2001:db8::1").value();
  for (const char* in : {"192.0.2.1", "10.255.0.1", "fd12::1", "2001:db8::1", "::ffff:10.1.2.3"}) {
    EXPECT_TRUE(set.contains(in)) << in;
  }
  for (const char* out : {"192.0.2.2", "11.0.0.0", "fe80::1", "2001:db8::2", "", "x", "10.0.0"}) {
    EXPECT_FALSE(set.contains(out)) << out;
  }
  EXPECT_TRUE(AddressSet::parse("10.1.2.3/8").value().contains("10.9.9.9"));
  EXPECT_TRUE(AddressSet::parse("").value().empty());
  for (const char* wrong :
       {"localhost", "10.0.0.0/33", "10.0.0.0/x", "1.2.3", "10.0.0.1,,", "/8"}) {
    EXPECT_FALSE(AddressSet::parse(wrong)) << wrong;
  }
}

struct ForwardedCase {
  const char* peer;
  const char* x_forwarded_for;  // empty: not there
  const char* forwarded;
  const char* client;
};

TEST(ClientAddress, IsReadFromTheRight) {
  const auto proxies = AddressSet::parse("10.0.0.0/8, fd00::/8").value();
  const ForwardedCase cases[] = {
      {"192.0.2.9", "", "", "192.0.2.9"},
      {"192.0.2.9", "198.51.100.1", "for=198.51.100.1", "192.0.2.9"},
      {"10.0.0.1", "", "", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1", "", "198.51.100.1"},
      {"::ffff:10.0.0.1", "198.51.100.1", "", "198.51.100.1"},
      {"10.0.0.1", "1.1.1.1, 198.51.100.1", "", "198.51.100.1"},
      {"10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "", "198.51.100.1"},
      {"10.0.0.1", "10.0.0.3, 10.0.0.2", "", "10.0.0.3"},
      {"10.0.0.1", "198.51.100.1:4711", "", "198.51.100.1"},
      {"10.0.0.1", "[2001:db8::7]:4711", "", "2001:db8::7"},
      {"10.0.0.1", "2001:db8::7", "", "2001:db8::7"},
      {"10.0.0.1", "198.51.100.1, unknown", "", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "", "10.0.0.2"},
      {"10.0.0.1", ", ,", "", "10.0.0.1"},
      {"10.0.0.1", "[", "", "10.0.0.1"},
      {"10.0.0.1", "", "for=198.51.100.1", "198.51.100.1"},
      {"10.0.0.1", "", "proto=https;For=\"198.51.100.1:80\";by=10.0.0.1", "198.51.100.1"},
      {"fd00::1", "", "for=1.1.1.1, for=\"[2001:db8::7]:4711\"", "2001:db8::7"},
      {"10.0.0.1", "", "for=_hidden", "10.0.0.1"},
      {"10.0.0.1", "", "for=198.51.100.1, proto=http", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1", "for=198.51.100.1", "198.51.100.1"},
      {"10.0.0.1", "198.51.100.1", "for=1.1.1.1", "10.0.0.1"},
  };
  for (const auto& [peer, x_forwarded_for, forwarded, client] : cases) {
    std::map<std::string, std::string> headers;
    if (*x_forwarded_for != '\0') {
      headers["x-forwarded-for"] = x_forwarded_for;
    }
    if (*forwarded != '\0') {
      headers["forwarded"] = forwarded;
    }
    EXPECT_EQ(client_address(proxies, peer, headers), client)
        << peer << " | " << x_forwarded_for << " | " << forwarded;
  }
}

}  // namespace
}  // namespace infernode::http
