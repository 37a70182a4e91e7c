// Goal: a request that two readers could take differently is refused, and no other is.
// Method: heads made from the rules of RFC 9112 and RFC 9110, with the status that each must get;
// tests/integration/connections_test.cpp sends them over the wire.
#include "http/request_head.hpp"

#include <gtest/gtest.h>

#include "testing/request_heads.hpp"

namespace infernode::http {
namespace {

TEST(RequestHead, IsReadAsRfc9112HasIt) {
  for (const auto& [head, status] : test::request_heads()) {
    const auto fault = fault_of_head(std::string{head} + "\r\n");
    EXPECT_EQ(fault ? fault->status : 0, status) << head;
    EXPECT_TRUE(!fault || !fault->detail.empty()) << head;
  }
  EXPECT_EQ(
      fault_of_head("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n")->status,
      414);
  EXPECT_EQ(
      fault_of_head("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n")
          ->status,
      431);
}

TEST(RequestHead, EndsBehindItsEmptyLine) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
  for (std::size_t cut = 0; cut <= head.size() - 4; ++cut) {
    const auto end = head_end(std::string_view{head}.substr(0, cut), cut == 0 ? 0 : cut - 1);
    EXPECT_EQ(end.has_value(), cut == head.size() - 4) << cut;
    EXPECT_FALSE(fault_of_beginning(std::string_view{head}.substr(0, cut))) << cut;
  }
}

TEST(RequestHead, KnowsItsTargetsPath) {
  const auto parts = [](std::string_view target) {
    const auto parsed = parse_target(target);
    return parsed.authority + " " + parsed.path + " " + parsed.query;
  };
  EXPECT_EQ(parts("/a?b"), " /a b");
  EXPECT_EQ(parts("/a"), " /a ");
  EXPECT_EQ(parts("http://host:1/a?b"), "host:1 /a b");
  EXPECT_EQ(parts("HTTP://host?b?c"), "host / b?c");
  EXPECT_EQ(parts("https://host"), "host / ");
  EXPECT_EQ(parts("*"), " * ");
}

}  // namespace
}  // namespace infernode::http
