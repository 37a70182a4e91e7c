// Goal: a request that two readers could take differently is refused, and no other is.
// Method: heads made from the rules of RFC 9112 and RFC 9110, with the status that each must get.
#include "http/request_head.hpp"

#include <gtest/gtest.h>

namespace infernode::http {
namespace {

struct Case {
  const char* head;  // without the empty line
  int status;        // 0: sound
};

const Case kCases[] = {
    // The request line (RFC 9112, 3).
    {"GET / HTTP/1.1\r\nHost: a\r\n", 0},
    {"GET / HTTP/1.0\r\n", 0},
    {"GET / HTTP/1.0\r\nHost: a\r\n", 0},
    {"BREW /pot HTTP/1.1\r\nHost: a\r\n", 0},
    {"GET / HTTP/1.2\r\nHost: a\r\n", 505},
    {"GET / HTTP/2.0\r\nHost: a\r\n", 505},
    {"PRI * HTTP/2.0\r\n", 505},
    {"GET / HTTP/0.9\r\nHost: a\r\n", 505},
    {"GET / http/1.1\r\nHost: a\r\n", 400},
    {"GET / HTTP/11\r\nHost: a\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n", 400},
    {"GET / HTTP/1.10\r\nHost: a\r\n", 400},
    {"GET /\r\nHost: a\r\n", 400},
    {"GET\r\nHost: a\r\n", 400},
    {" GET / HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET /  HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET\t/\tHTTP/1.1\r\nHost: a\r\n", 400},
    {"G(T / HTTP/1.1\r\nHost: a\r\n", 400},
    {"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n", 400},
    {"\x16\x03\x01 / HTTP/1.1\r\nHost: a\r\n", 400},
    // The target (3.2).
    {"GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n", 0},
    {"GET http://a/b HTTP/1.1\r\nHost: a\r\n", 0},
    {"GET HTTPS://a HTTP/1.1\r\nHost: a\r\n", 0},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n", 0},
    {"GET * HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET a HTTP/1.1\r\nHost: a\r\n", 400},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\nHost: a\r\n", 400},
    // Lines (2.2, 5).
    {"GET / HTTP/1.1\nHost: a\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n", 400},
    {"GET / HTTP/1.1\r\r\nHost: a\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: b\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\t b \t\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n", 0},
    // Host (3.2).
    {"GET / HTTP/1.1\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nhOsT: b\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]:3000\r\n", 0},
    {"GET / HTTP/1.1\r\nHost:\r\n", 0},
    // The body's length (6).
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 6\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked \r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n",
     400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n", 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n", 417},
};

TEST(RequestHead, IsReadAsRfc9112HasIt) {
  for (const auto& [head, status] : kCases) {
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
  EXPECT_EQ(origin_form("/a?b"), "/a?b");
  EXPECT_EQ(origin_form("http://host:1/a?b"), "/a?b");
  EXPECT_EQ(origin_form("HTTP://host?b"), "?b");
  EXPECT_EQ(origin_form("https://host"), "/");
  EXPECT_EQ(origin_form("*"), "*");
}

}  // namespace
}  // namespace infernode::http
