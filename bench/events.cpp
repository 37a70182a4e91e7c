// How soon clients hear of a change, and what a client costs.
//
// The real server with CLIENTS clients of 10 users, half of them on the WebSocket, half on
// Server-Sent Events, all over loopback from this process. Memory: the server's growth (RSS) per
// client that is connected and hears nothing. Then 500 changes, each of a dataset of the next user,
// 100 a second at most: from when its request was sent until each of that user's clients has read
// the event, so the request, its transaction and its commit are in it.
//
// Usage: bench_events [CLIENTS]
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>

#include "measure.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
namespace json = boost::json;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr int kUsers = 10;
constexpr int kChanges = 500;
constexpr std::string_view kMark = "\"mark-";  // how names begin

// What all clients share; `sent` is written before a request goes out.
struct Heard {
  std::atomic<int> connected = 0;
  std::mutex mutex;
  std::vector<Clock::time_point> sent = std::vector<Clock::time_point>(kChanges);
  std::vector<double> milliseconds;

  // Takes the marks out of what was read so far; a mark may come in two pieces.
  void take(std::string& text) {
    const auto now = Clock::now();
    for (auto at = text.find(kMark); at != std::string::npos; at = text.find(kMark)) {
      const auto end = text.find('"', at + kMark.size());
      if (end == std::string::npos) {
        text.erase(0, at);
        return;
      }
      const int change = std::stoi(text.substr(at + kMark.size(), end - at - kMark.size()));
      text.erase(0, end);
      const std::lock_guard lock{mutex};
      milliseconds.push_back(
          std::chrono::duration<double, std::milli>(now - sent.at(static_cast<std::size_t>(change)))
              .count());
    }
    text.erase(0, text.size() - std::min(text.size(), kMark.size()));
  }
  std::size_t count() {
    const std::lock_guard lock{mutex};
    return milliseconds.size();
  }
};

asio::awaitable<void> follow_sent_events(tcp::endpoint server, std::string token, Heard& heard) {
  tcp::socket socket{co_await asio::this_coro::executor};
  co_await socket.async_connect(server, asio::use_awaitable);
  const auto request = fmt::format(
      "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", token);
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  std::string text;
  std::vector<char> piece(4096);
  for (bool greeted = false;;) {
    const auto size = co_await socket.async_read_some(asio::buffer(piece), asio::use_awaitable);
    text.append(piece.data(), size);
    if (!greeted && text.find("retry:") != std::string::npos) {
      greeted = true;
      ++heard.connected;
    }
    heard.take(text);
  }
}

asio::awaitable<void> follow_web_socket(tcp::endpoint server, std::string token, Heard& heard) {
  websocket::stream<tcp::socket> socket{co_await asio::this_coro::executor};
  co_await socket.next_layer().async_connect(server, asio::use_awaitable);
  co_await socket.async_handshake("localhost", "/api/v1/ws", asio::use_awaitable);
  const auto introduction = fmt::format(R"({{"type":"authenticate","token":"{}"}})", token);
  co_await socket.async_write(asio::buffer(introduction), asio::use_awaitable);
  boost::beast::flat_buffer buffer;
  std::string text;
  for (bool greeted = false;;) {
    co_await socket.async_read(buffer, asio::use_awaitable);
    text += boost::beast::buffers_to_string(buffer.data());
    buffer.consume(buffer.size());
    if (!std::exchange(greeted, true)) {
      ++heard.connected;
    }
    heard.take(text);
  }
}

void measure(int clients) {
  test::TestServer server{
      {{"INFERNODE_WORKERS", "0"},
       {"INFERNODE_MAX_CONNECTIONS", std::to_string(clients + 100)},
       {"INFERNODE_MAX_CONNECTIONS_OF_ADDRESS", std::to_string(clients + 100)}}};
  std::vector<std::unique_ptr<test::TestUser>> users;
  std::vector<std::string> datasets;
  for (int i = 0; i < kUsers; ++i) {
    users.push_back(std::make_unique<test::TestUser>(server));
    datasets.push_back(users.back()->create_dataset("before"));
  }
  std::this_thread::sleep_for(std::chrono::seconds{1});
  const long before = bench::status_kib(server.pid(), "VmRSS");

  Heard heard;
  asio::io_context context{1};
  const tcp::endpoint endpoint{asio::ip::make_address("127.0.0.1"), server.port()};
  const auto rethrow = [](std::exception_ptr error) {
    if (error) {
      std::rethrow_exception(error);
    }
  };
  for (int i = 0; i < clients; ++i) {
    const auto& token = users[static_cast<std::size_t>(i % kUsers)]->token();
    if (i / kUsers % 2 == 0) {
      asio::co_spawn(context, follow_sent_events(endpoint, token, heard), rethrow);
    } else {
      asio::co_spawn(context, follow_web_socket(endpoint, token, heard), rethrow);
    }
  }
  // A client whose line ends is told by what is missing.
  const std::jthread reading{[&context](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      try {
        context.run_for(std::chrono::milliseconds{100});
      } catch (const std::exception& error) {
        fmt::print(stderr, "a client: {}\n", error.what());
      }
    }
  }};
  test::wait_until("all clients", [&] { return heard.connected == clients; });
  std::this_thread::sleep_for(std::chrono::seconds{2});
  const long after = bench::status_kib(server.pid(), "VmRSS");

  for (int change = 0; change < kChanges; ++change) {
    const auto user = static_cast<std::size_t>(change % kUsers);
    heard.sent[static_cast<std::size_t>(change)] = Clock::now();
    users[user]->call(200, "PATCH", "/datasets/" + datasets[user],
                      json::object{{"name", fmt::format("mark-{}", change)}});
    std::this_thread::sleep_until(heard.sent[static_cast<std::size_t>(change)] +
                                  std::chrono::milliseconds{10});
  }
  const auto expected =
      static_cast<std::size_t>(kChanges) * static_cast<std::size_t>(clients) / kUsers;
  test::wait_until(fmt::format("{} of {} events", expected - heard.count(), expected),
                   [&] { return heard.count() >= expected; });
  auto all = std::move(heard.milliseconds);
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
  };
  fmt::print("{} clients, {} events told {} times;{}", clients, kChanges, all.size(),
             bench::processor());
  fmt::print("from the request to the client: p50 {:.1f} ms, p99 {:.1f} ms, most {:.1f} ms\n",
             at(0.5), at(0.99), all.back());
  fmt::print("memory of a client that hears nothing: {:.1f} KiB\n",
             static_cast<double>(after - before) / clients);
  fmt::print("ratio={:.2f} (p50 to 10 ms), {:.2f} (p99 to 50 ms), {:.2f} (memory to 20 KiB)\n",
             at(0.5) / 10, at(0.99) / 50, static_cast<double>(after - before) / clients / 20);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    // Whole users, whole pairs.
    const int clients = argc > 1 ? std::max(kUsers, std::atoi(argv[1])) : 1000;
    measure(clients / kUsers * kUsers);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_events: {}\n", error.what());
    return 1;
  }
}
