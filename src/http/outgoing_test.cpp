// Goal: what users name is called where it may be called, and nowhere else.
// Method: URLs by table; a listener on loopback addresses, reached through lookups of the test.
#include "http/outgoing.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "http/client.hpp"

namespace infernode::http {
namespace {

using asio::ip::tcp;

TEST(Outgoing, ReadsUrls) {
  struct Case {
    const char* text;
    const char* host;
    int port;
    const char* target;
  };
  for (const auto& [text, host, port, target] :
       {Case{"https://example.com", "example.com", 443, "/"},
        Case{"http://example.com/a/b?c=d", "example.com", 80, "/a/b?c=d"},
        Case{"HTTPS://Example.com:8443/%20", "Example.com", 8443, "/%20"},
        Case{"https://example.com?x", "example.com", 443, "/?x"},
        Case{"https://[2606:2800:220:1::1]:9/", "2606:2800:220:1::1", 9, "/"}}) {
    const auto url = parse_outgoing_url(text);
    ASSERT_TRUE(url) << text << ": " << url.error().detail;
    EXPECT_EQ(url->host, host);
    EXPECT_EQ(url->port, port);
    EXPECT_EQ(url->target, target);
  }
  for (const auto* text :
       {"", "example.com", "/path", "ftp://example.com/", "https://", "https:///path",
        "https://user@example.com/", "https://user:password@example.com/", "https://example.com/#a",
        "https://example.com:0/", "https://example.com:99999/", "https://exa mple.com/",
        "https://example.com/\r\nX: y", "https://ex%0aample.com/", "file:///etc/passwd",
        "https://[::1",
        "https://b\xc3\xbc"
        "cher.example/"}) {
    EXPECT_FALSE(parse_outgoing_url(text)) << text;
  }
}

TEST(Outgoing, KnowsWhatIsPublic) {
  asio::io_context context;
  const Outgoing outgoing{context.get_executor(),
                          AddressSet::parse("10.1.0.0/16, 127.0.0.2").value()};
  for (const auto* address : {"93.184.216.34", "1.1.1.1", "172.32.0.1", "2606:2800:220:1::1",
                              "10.1.2.3", "127.0.0.2", "::ffff:1.1.1.1"}) {
    EXPECT_TRUE(outgoing.may_reach(address)) << address;
  }
  for (const auto* address : {"127.0.0.1",
                              "127.1.2.3",
                              "0.0.0.0",
                              "10.2.0.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "192.0.2.1",
                              "198.18.0.1",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "2001::1",
                              "2001:db8::1",
                              "::127.0.0.1",
                              "localhost",
                              ""}) {
    EXPECT_FALSE(outgoing.may_reach(address)) << address;
  }
  EXPECT_FALSE(outgoing.parse("http://127.0.0.1/"));
  EXPECT_FALSE(outgoing.parse("http://[::ffff:127.0.0.1]/"));
  EXPECT_TRUE(outgoing.parse("http://127.0.0.2/"));
}

// Answers each connection with a fixed text; counts them.
class Listener {
public:
  explicit Listener(std::string answer)
      : acceptor_{context_, tcp::endpoint{tcp::v4(), 0}}, answer_{std::move(answer)} {
    thread_ = std::thread{[this] { serve(); }};
  }
  ~Listener() {
    // Ends the accept that waits.
    tcp::socket last{context_};
    last.connect({asio::ip::make_address("127.0.0.1"), port()});
    last.close();
    thread_.join();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::uint16_t port() const { return port_; }
  int requests() const { return requests_; }

private:
  void serve() {
    for (;;) {
      tcp::socket socket{context_};
      acceptor_.accept(socket);
      boost::system::error_code ended;
      std::string request;
      asio::read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", ended);
      if (ended) {
        return;
      }
      ++requests_;
      asio::write(socket, asio::buffer(answer_), ended);
    }
  }

  asio::io_context context_;
  tcp::acceptor acceptor_;
  std::uint16_t port_ = acceptor_.local_endpoint().port();
  std::string answer_;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

// The status, or what went wrong.
std::string post(asio::io_context& context, Outgoing& outgoing, const std::string& url) {
  std::string outcome;
  auto posting = [](Outgoing& out, std::string text) -> asio::awaitable<std::string> {
    const auto parsed = out.parse(text);
    std::map<std::string, std::string> headers;
    try {
      const int status =
          co_await out.post("somebody", *parsed, headers, "{}", std::chrono::milliseconds{500});
      co_return std::to_string(status);
    } catch (const ClientError& error) {
      co_return error.what();
    }
  };
  asio::co_spawn(context, posting(outgoing, url),
                 [&](const std::exception_ptr& fault, std::string answer) {
                   outcome = fault ? "a fault" : std::move(answer);
                 });
  context.restart();
  context.run();
  return outcome;
}

TEST(Outgoing, ConnectsToWhatWasChecked) {
  const Listener listener{"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"};
  asio::io_context context;
  std::vector<std::vector<std::string>> answers{
      {"127.0.0.2"}, {"127.0.0.1"}, {"127.0.0.1", "127.0.0.2"}, {}};
  std::size_t lookups = 0;
  Outgoing outgoing{context.get_executor(), AddressSet::parse("127.0.0.2").value(),
                    [&](const std::string& /*host*/) { return answers.at(lookups++); }};
  const std::string url = "http://rebinding.example:" + std::to_string(listener.port()) + "/";
  EXPECT_EQ(post(context, outgoing, url), "204");
  EXPECT_EQ(lookups, 1U);
  // The same name, looked up again, is another address.
  EXPECT_NE(post(context, outgoing, url).find("no address"), std::string::npos);
  EXPECT_EQ(listener.requests(), 1);
  EXPECT_EQ(post(context, outgoing, url), "204");  // by the address that may be reached
  EXPECT_NE(post(context, outgoing, url).find("no address"), std::string::npos);
  EXPECT_EQ(listener.requests(), 2);
}

TEST(Outgoing, SaysWhatWentWrong) {
  asio::io_context context;
  Outgoing outgoing{context.get_executor(), AddressSet::parse("127.0.0.0/8").value()};
  const auto outcome = [&](const std::string& answer) {
    const Listener listener{answer};
    return post(context, outgoing, "http://127.0.0.1:" + std::to_string(listener.port()) + "/");
  };
  EXPECT_EQ(outcome("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), "302");
  EXPECT_NE(outcome("gibberish\r\n\r\n").find("waiting for an answer"), std::string::npos);
  const std::string endless = "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n";
  EXPECT_NE(outcome(endless).find("waiting for an answer"), std::string::npos);
  EXPECT_NE(outcome("HTTP/1.1 100 Continue\r\n\r\n").find("waiting"), std::string::npos);
  EXPECT_NE(post(context, outgoing, "http://127.0.0.1:1/").find("connecting"), std::string::npos);
  EXPECT_NE(post(context, outgoing, "http://nowhere.invalid/").find("no address"),
            std::string::npos);
}

}  // namespace
}  // namespace infernode::http
