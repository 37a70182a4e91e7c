// Goal: nobody keeps others out by what they do with connections, and no request is read in two
// ways. Method: bare sockets, from several loopback addresses, against the real server.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/clock.hpp"
#include "testing/long_tests.hpp"
#include "testing/request_heads.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class Connections : public testing::Test {
protected:
  Connections()
      : server_{{{"INFERNODE_WORKERS", "0"},
                 {"INFERNODE_MAX_CONNECTIONS", "60"},
                 {"INFERNODE_MAX_CONNECTIONS_OF_ADDRESS", "20"},
                 {"INFERNODE_REGISTRATIONS_PER_ADDRESS", "2"},
                 {"INFERNODE_TRUSTED_PROXIES", "127.7.0.0/16"}}} {}

  tcp::socket connect(const std::string& from = "127.0.0.1") {
    tcp::socket socket{context_, tcp::endpoint{asio::ip::make_address(from), 0}};
    socket.connect({asio::ip::make_address("127.0.0.1"), server_.port()});
    return socket;
  }
  static void send(tcp::socket& socket, const std::string& text) {
    boost::system::error_code ignored;
    asio::write(socket, asio::buffer(text), ignored);
  }
  // All that comes until the server closes.
  static std::string rest(tcp::socket& socket) {
    std::string answer;
    boost::system::error_code error;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    return answer;
  }
  // What comes for a request after which nothing more is sent.
  std::string answer(const std::string& request) {
    auto socket = connect();
    send(socket, request);
    boost::system::error_code ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    return rest(socket);
  }
  // Whether a new connection from there is served.
  bool serves(const std::string& from) {
    auto socket = connect(from);
    send(socket, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return rest(socket).starts_with("HTTP/1.1 200");
  }

  asio::io_context context_;
  TestServer server_;
};

// B7: behind a proxy one client's limits are not another's.
TEST_F(Connections, ClientsBehindAProxyHaveTheirOwnLimits) {
  int number = 0;
  const auto status = [&](const std::string& peer, const std::string& client) {
    const auto body =
        fmt::format(R"({{"email":"p{}@example.com","password":"a good password"}})", ++number);
    auto socket = connect(peer);
    send(socket,
         fmt::format("POST /api/v1/auth/register HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                     "Content-Type: application/json\r\nX-Forwarded-For: 1.1.1.1, {}\r\n"
                     "Content-Length: {}\r\n\r\n{}",
                     client, body.size(), body));
    return rest(socket).substr(9, 3);
  };
  EXPECT_EQ(status("127.7.0.1", "192.0.2.1"), "201");
  EXPECT_EQ(status("127.7.0.2", "192.0.2.1"), "201");
  EXPECT_EQ(status("127.7.0.1", "192.0.2.1"), "429");
  EXPECT_EQ(status("127.7.0.1", "192.0.2.2"), "201");
  // Nobody else is believed.
  EXPECT_EQ(status("127.0.0.9", "192.0.2.3"), "201");
  EXPECT_EQ(status("127.0.0.9", "192.0.2.4"), "201");
  EXPECT_EQ(status("127.0.0.9", "192.0.2.5"), "429");
  // And a proxy may have more connections than others.
  std::vector<tcp::socket> many;
  for (int i = 0; i < 30; ++i) {
    many.push_back(connect("127.7.0.1"));
    send(many.back(), "GET");
  }
  EXPECT_TRUE(serves("127.7.0.1"));
}

// B5: 1,000 of one address shut everybody else out.
TEST_F(Connections, HalfSentRequestsOfOneAddressKeepNobodyElseOut) {
  std::vector<tcp::socket> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(connect());
    send(slow.back(), "GET /healthz HTTP/1.1\r\nHo");
  }
  wait_until("the address to have no room", [&] { return !serves("127.0.0.1"); });
  EXPECT_TRUE(serves("127.0.0.2"));
  // Those who are turned away are told, wholly.
  auto turned_away = connect();
  turned_away.shutdown(tcp::socket::shutdown_send);
  const auto told = rest(turned_away);
  EXPECT_EQ(told.substr(0, 12), "HTTP/1.1 503") << told;
  EXPECT_NE(told.find("X-Request-Id: "), std::string::npos) << told;
  EXPECT_NE(told.find("Date: "), std::string::npos) << told;
  const auto body = told.substr(told.find("\r\n\r\n") + 4);
  EXPECT_NE(told.find(fmt::format("Content-Length: {}\r\n", body.size())), std::string::npos)
      << told;
  EXPECT_EQ(integer(boost::json::parse(body), "status"), 503);
  // They have ten seconds.
  const auto started = std::chrono::steady_clock::now();
  const auto said = rest(slow.front());
  EXPECT_EQ(said.substr(0, 12), "HTTP/1.1 408") << said;
  EXPECT_LT(seconds_since(started), 30);
  wait_until("room again", [&] { return serves("127.0.0.1"); });
}

TEST_F(Connections, IdleOnesGiveWay) {
  std::vector<tcp::socket> idle;
  for (int i = 0; i < 50; ++i) {
    idle.push_back(connect());
  }
  EXPECT_TRUE(serves("127.0.0.1"));
  EXPECT_EQ(rest(idle.front()), "");  // the longest idle was the first to go
  // In all: those of many addresses.
  for (int i = 0; i < 200; ++i) {
    idle.push_back(connect(fmt::format("127.0.1.{}", i / 10 + 1)));
  }
  EXPECT_TRUE(serves("127.0.0.3"));
  send(idle.back(), "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(rest(idle.back()).substr(0, 12), "HTTP/1.1 200");
}

TEST_F(Connections, RequestsThatCouldBeReadInTwoWaysAreRefused) {
  const std::string host = "Host: a\r\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"GET /healthz HTTP/1.1\r\n\r\n", "400"},
      {"GET /healthz HTTP/1.1\r\n" + host + host + "\r\n", "400"},
      {"GET /healthz HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", "400"},
      {"GET /healthz HTTP/1.1\n" + host + "\n", "400"},
      {"GET /healthz HTTP/2.0\r\n" + host + "\r\n", "505"},
      {"\x16\x03\x01\x02\x00\x01", "400"},
      {"POST /api/v1/auth/login HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", "501"},
      {"POST /api/v1/auth/login HTTP/1.1\r\n" + host +
           "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"GET /" + std::string(10'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", "414"},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(20'000, 'a'), "431"},
  };
  const std::string login = "POST /api/v1/auth/login HTTP/1.1\r\n" + host +
                            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::vector<std::pair<std::string, std::string>> all = cases;
  for (const std::string chunks :
       {"zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}xx\r\n0\r\n\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n",
        "2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n", "00000000000000002\r\n{}\r\n0\r\n\r\n"}) {
    all.emplace_back(login + chunks, "400");
  }
  for (const auto& [request, status] : all) {
    // The second request must not be taken for one: the connection is closed.
    const auto said = answer(request + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(said.substr(0, 12), "HTTP/1.1 " + status) << request.substr(0, 200) << said;
    EXPECT_NE(said.find("Connection: close"), std::string::npos) << said;
    EXPECT_NE(said.find("application/problem+json"), std::string::npos) << said;
    EXPECT_EQ(said.find("HTTP/1.1 200"), std::string::npos) << request.substr(0, 200) << said;
  }
  EXPECT_EQ(answer(""), "");
}

// Each head over the wire: what is wrong gets its status and the connection's end, what is sound
// leaves it open for the next.
TEST_F(Connections, AreClosedAfterWhatIsNoRequestAndAfterNothingElse) {
  const std::string next = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  int refused = 0;
  for (const auto& [head, status] : request_heads()) {
    const std::string text = head;
    // Of the sound ones: their bodies, as long as they say.
    const std::string body = text.find("Length: 5\r\n") != std::string::npos       ? "hello"
                             : text.find("hunked") != std::string::npos && !status ? "0\r\n\r\n"
                                                                                   : "";
    const auto said = answer(text + "\r\n" + body + next);
    const auto answers = [&said] {
      int count = 0;
      for (auto at = said.find("\r\nDate: "); at != std::string::npos;
           at = said.find("\r\nDate: ", at + 1)) {
        ++count;
      }
      return count;
    };
    if (status != 0) {
      ++refused;
      EXPECT_EQ(said.substr(0, 12), fmt::format("HTTP/1.1 {}", status)) << text << said;
      EXPECT_NE(said.find("Connection: close"), std::string::npos) << text << said;
      EXPECT_EQ(answers(), 1) << text << said;
    } else {
      const auto first = said.substr(9, 3);
      EXPECT_TRUE(first == "200" || first == "204" || first == "404" || first == "405")
          << text << said;
      const bool last = text.find("HTTP/1.0") != std::string::npos;
      EXPECT_EQ(answers(), last ? 1 : 2) << text << said;
    }
  }
  EXPECT_GE(refused, 60);
}

// 300 MiB of a chunk's extension took as much memory, without a login.
TEST_F(Connections, NothingButContentIsHeldOfABody) {
  const auto kib = [&] {
    std::ifstream status{fmt::format("/proc/{}/status", server_.pid())};
    const std::string text{std::istreambuf_iterator<char>{status}, {}};
    return std::stol(text.substr(text.find("VmHWM:") + 6));
  };
  const std::string login =
      "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(answer(login + "0\r\n\r\n").substr(0, 12), "HTTP/1.1 400");  // warm
  const auto before = kib();
  for (const std::string& begins : {std::string{"1;x="}, std::string{"0\r\nX: "}}) {
    const auto said = answer(login + begins + std::string(50'000'000, 'a'));
    EXPECT_TRUE(said.empty() || said.starts_with("HTTP/1.1 400")) << said;
  }
  EXPECT_LT(kib(), before + 4096);
}

TEST_F(Connections, AreKeptAfterAShortBodyThatNobodyRead) {
  const std::string next = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const std::string post = "POST /healthz HTTP/1.1\r\nHost: a\r\n";
  for (const std::string& body : {std::string{"Content-Length: 5\r\n\r\nhello"},
                                  std::string{"Transfer-Encoding: chunked\r\n\r\n"
                                              "5\r\nhello\r\n0\r\n\r\n"}}) {
    const auto said = answer(post + body + next);
    EXPECT_EQ(said.substr(0, 12), "HTTP/1.1 405") << said;
    EXPECT_NE(said.find("HTTP/1.1 200"), std::string::npos) << said;
  }
  const auto waits = answer(post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_NE(waits.find("Connection: close"), std::string::npos) << waits;
}

TEST_F(Connections, OldClientsGetWhatTheyKnow) {
  TestUser user{server_};
  const std::string authorization = "Authorization: Bearer " + user.token() + "\r\n";
  auto socket = connect();
  send(socket,
       "GET /api/v1/events HTTP/1.0\r\nConnection: keep-alive\r\n" + authorization + "\r\n");
  std::string head;
  asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");
  EXPECT_EQ(head.substr(0, 12), "HTTP/1.1 200") << head;
  EXPECT_EQ(head.find("Transfer-Encoding"), std::string::npos) << head;
  EXPECT_NE(head.find("Connection: close"), std::string::npos) << head;
  // Who knows no 100 (RFC 9110, 10.1.1) gets none.
  const auto said = answer(
      "POST /api/v1/auth/login HTTP/1.0\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(said.substr(0, 12), "HTTP/1.1 422") << said;
}

TEST_F(Connections, RequestsOfAllFormsAreAnswered) {
  const std::string end = "\r\nHost: a\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(answer("OPTIONS * HTTP/1.1" + end).substr(0, 12), "HTTP/1.1 204");
  EXPECT_EQ(answer("GET http://b/healthz HTTP/1.1" + end).substr(0, 12), "HTTP/1.1 200");
  const auto info = answer("GET /api/v1/info HTTP/1.1" + end);
  const auto from = info.find("ETag: ");
  ASSERT_NE(from, std::string::npos) << info;
  const auto tag = info.substr(from + 6, info.find('\r', from) - from - 6);
  const auto head = answer("HEAD /api/v1/info HTTP/1.1" + end);
  EXPECT_NE(head.find("ETag: " + tag), std::string::npos) << head;
  EXPECT_EQ(answer("HEAD /api/v1/info HTTP/1.1\r\nIf-None-Match: " + tag + end).substr(0, 12),
            "HTTP/1.1 304");
  for (const auto& [type, status] :
       {std::pair{"Application/JSON; charset=utf-8", "422"}, {"application/jsonfoo", "415"}}) {
    EXPECT_EQ(answer(fmt::format("POST /api/v1/auth/login HTTP/1.1\r\nContent-Type: {}\r\n"
                                 "Content-Length: 2{}{{}}",
                                 type, end))
                  .substr(9, 3),
              status)
        << type;
  }
}

TEST_F(Connections, AWebSocketIsOpenedAsItMustBe) {
  const auto open = [&](const std::string& method, const std::string& fields) {
    return answer(method + " /api/v1/ws HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\n" +
                  fields + "\r\n");
  };
  const std::string upgrade = "Upgrade: websocket\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const auto old = open("GET", upgrade + key + "Sec-WebSocket-Version: 8\r\n");
  EXPECT_EQ(old.substr(0, 12), "HTTP/1.1 426") << old;
  EXPECT_NE(old.find("Sec-WebSocket-Version: 13\r\n"), std::string::npos) << old;
  EXPECT_NE(old.find("Connection: Upgrade\r\n"), std::string::npos) << old;
  EXPECT_EQ(open("GET", upgrade + version).substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(open("GET", key + version).substr(0, 12), "HTTP/1.1 426");
  EXPECT_EQ(open("HEAD", upgrade + key + version).substr(0, 12), "HTTP/1.1 426");
  auto socket = connect();
  send(socket,
       "GET /api/v1/ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
       "Upgrade: h2c, WebSocket\r\n" +
           key + version + "\r\n");
  std::string head;
  asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");
  EXPECT_EQ(head.substr(0, 12), "HTTP/1.1 101") << head;
}

TEST_F(Connections, WhatBreaksOffIsSeen) {
  TestUser user{server_};
  {
    auto socket = connect();
    send(socket,
         "GET /api/v1/events HTTP/1.1\r\nHost: a\r\nX-Request-Id: broken-off\r\n"
         "Authorization: Bearer " +
             user.token() + "\r\n\r\n");
    std::string head;
    asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");
  }
  user.create_dataset("noise");  // which it cannot be told
  wait_until("a line about it", [&] {
    const auto log = server_.log();
    const auto line = log.find("broken-off");
    return line != std::string::npos &&
           log.substr(log.rfind('\n', line), line).find("broke off") != std::string::npos;
  });
}

// They are in the kernel's queue when the server is told to stop.
TEST_F(Connections, ThoseThatTheKernelLetInAreServedBeforeTheEnd) {
  ::kill(server_.pid(), SIGSTOP);
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 15; ++i) {
    waiting.push_back(connect());
    send(waiting.back(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  ::kill(server_.pid(), SIGTERM);
  ::kill(server_.pid(), SIGCONT);
  for (auto& socket : waiting) {
    EXPECT_EQ(rest(socket).substr(0, 12), "HTTP/1.1 200");
  }
}

// RUN_LONG_TESTS: who takes or sends less than 1 KiB a second is cut off, who is twice as fast is
// not.
TEST_F(Connections, SlowOnesAreCutOff) {
  if (!long_tests_wanted()) {
    GTEST_SKIP() << "takes two minutes";
  }
  TestUser user{server_};
  const auto film = server_.folder() / "film.mp4";
  const std::uint32_t box = 30'000'000;  // more than both kernels hold between them
  write_padded_clip(film, box);
  const auto uploaded = user.upload(user.create_dataset("slow"), film);
  ASSERT_EQ(uploaded.status, 201) << uploaded.body;
  const auto video = text(boost::json::parse(uploaded.body), "id");
  const std::string dataset = user.create_dataset("slower");
  struct Peer {
    tcp::socket socket;
    bool reads;
    std::size_t bytes;  // a second
    bool closed = false;
  };
  std::vector<Peer> peers;
  for (const auto& [reads, bytes] :
       {std::pair<bool, std::size_t>{true, 100}, {true, 4'000}, {false, 100}, {false, 4'000}}) {
    tcp::socket socket{context_, tcp::v4()};
    socket.set_option(asio::socket_base::receive_buffer_size{4096});
    socket.connect({asio::ip::make_address("127.0.0.1"), server_.port()});
    const std::string authorization = "Authorization: Bearer " + user.token() + "\r\n";
    send(socket, reads ? fmt::format("GET /api/v1/videos/{}/content HTTP/1.1\r\nHost: a\r\n"
                                     "Connection: close\r\n{}\r\n",
                                     video, authorization)
                       : fmt::format("POST /api/v1/datasets/{}/videos HTTP/1.1\r\nHost: a\r\n"
                                     "Content-Type: multipart/form-data; boundary=b\r\n"
                                     "Content-Length: 9000000\r\n{}\r\n--b\r\nContent-Disposition: "
                                     "form-data; name=\"file\"; filename=\"f.mp4\"\r\n\r\n",
                                     dataset, authorization));
    socket.non_blocking(true);
    peers.push_back({std::move(socket), reads, bytes});
  }
  for (int second = 0; second < 150; ++second) {
    for (auto& peer : peers) {
      boost::system::error_code error;
      std::string bytes(peer.bytes, ' ');
      if (peer.reads) {
        peer.socket.read_some(asio::buffer(bytes), error);
      } else {
        peer.socket.write_some(asio::buffer(bytes), error);
      }
      peer.closed = peer.closed || (error && error != asio::error::would_block);
    }
    std::this_thread::sleep_for(std::chrono::seconds{1});
  }
  // What both kernels still hold comes; the rest does not to who was too slow.
  for (auto& peer : peers) {
    peer.socket.non_blocking(false);
    if (peer.reads) {
      EXPECT_EQ(rest(peer.socket).size() + 150 * peer.bytes > box, peer.bytes > 1024) << peer.bytes;
    } else {
      EXPECT_EQ(peer.closed, peer.bytes < 1024) << peer.bytes;
    }
  }
}

TEST_F(Connections, WhatIsAllowedIsServed) {
  const auto twice = answer(
      "\r\nGET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(twice.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_NE(twice.find("HTTP/1.1 200 OK", 15), std::string::npos) << twice;
  EXPECT_NE(twice.find("\r\nDate: "), std::string::npos) << twice;
  const auto old = answer("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.substr(9, 3), "200") << old;
  const auto login = answer(
      "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
  EXPECT_EQ(login.substr(9, 3), "422") << login;
  // Byte by byte.
  auto socket = connect();
  for (const char letter :
       std::string{"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"}) {
    send(socket, std::string{letter});
  }
  EXPECT_EQ(rest(socket).substr(0, 12), "HTTP/1.1 200");
}

}  // namespace
}  // namespace infernode::test
