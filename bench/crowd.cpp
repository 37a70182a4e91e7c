// What others notice of clients that mean ill, or are many.
//
// The real server with shipped settings, and one client that asks GET /users/me 100 times a second
// over a connection of its own, 500 times: alone, and beside
//   half sent    1,000 connections of one address that begin a request and go no further;
//   idle         10,000 connections of 100 addresses that say nothing;
//   slow readers 300 connections of one address that ask for a video and read a byte a second;
//   uploads      100 uploads of 8 MiB at once, from threads that yield to the one that asks: they
//                stand for other machines.
// Prints how long it waited, the ratio of its p99 to that of when it was alone, and how much more
// memory the server had at its peak so far.
//
// Usage: bench_crowd
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "core/json.hpp"
#include "core/scheduling.hpp"
#include "measure.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr int kRequests = 500;
constexpr std::chrono::milliseconds kPace{10};

class Crowd {
public:
  explicit Crowd(const test::TestServer& server) : port_{server.port()} {}

  // Opens connections from there. Those that are turned away count like any other.
  void open(const std::string& from, int count, const std::string& sends) {
    for (int i = 0; i < count; ++i) {
      tcp::socket socket{context_, tcp::v4()};
      boost::system::error_code error;
      socket.set_option(asio::socket_base::receive_buffer_size{4096});
      socket.bind({asio::ip::make_address(from), 0}, error);
      socket.connect({asio::ip::address_v4::loopback(), port_}, error);
      if (!error && !sends.empty()) {
        asio::write(socket, asio::buffer(sends), error);
      }
      socket.non_blocking(true, error);
      sockets_.push_back(std::move(socket));
    }
  }
  // Reads a byte of each.
  void read() {
    for (auto& socket : sockets_) {
      char byte = 0;
      boost::system::error_code ignored;
      socket.read_some(asio::buffer(&byte, 1), ignored);
    }
  }

private:
  std::uint16_t port_;
  asio::io_context context_;
  std::vector<tcp::socket> sockets_;
};

struct Waits {
  double p50 = 0;  // milliseconds
  double p99 = 0;
};

Waits ask(test::TestUser& user) {
  std::vector<double> times;
  auto next = Clock::now();
  for (int i = 0; i < kRequests; ++i) {
    std::this_thread::sleep_until(next);
    next = std::max(next + kPace, Clock::now());
    const auto begin = Clock::now();
    const auto answer = user.send("GET", "/users/me");
    if (answer.status != 200) {
      throw std::runtime_error(answer.body);
    }
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return {times[kRequests / 2], times[kRequests * 99 / 100]};
}

void measure() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  test::TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_LOG_LEVEL", "warn"}}};
  test::TestUser user{server};
  const auto film = server.folder() / "film.mp4";
  test::write_padded_clip(film, 30'000'000);
  const auto small = server.folder() / "small.mp4";
  test::write_padded_clip(small, 8 * 1024 * 1024);
  const auto dataset = user.create_dataset("crowd");
  const auto uploaded = user.upload(dataset, film);
  const auto video = test::text(boost::json::parse(uploaded.body), "id");
  ask(user);  // warm
  const auto alone = ask(user);
  const auto print = [&](const char* what, Waits waits, long before) {
    fmt::print("{:<13} p50 {:6.2f} ms, p99 {:6.2f} ms, p99 / alone {:5.2f}, memory +{:.0f} MiB\n",
               what, waits.p50, waits.p99, waits.p99 / alone.p99,
               static_cast<double>(bench::status_kib(server.pid(), "VmHWM") - before) / 1024);
    std::fflush(stdout);
  };
  const long idle = bench::status_kib(server.pid(), "VmHWM");
  print("alone", alone, idle);
  {
    Crowd crowd{server};
    crowd.open("127.0.0.2", 1000, "GET /healthz HTTP/1.1\r\nHo");
    print("half sent", ask(user), idle);
  }
  {
    Crowd crowd{server};
    for (int i = 1; i <= 100; ++i) {
      crowd.open(fmt::format("127.0.1.{}", i), 100, "");
    }
    print("idle", ask(user), idle);
  }
  {
    Crowd crowd{server};
    crowd.open("127.0.0.3", 300,
               fmt::format("GET /api/v1/videos/{}/content HTTP/1.1\r\nHost: a\r\nAuthorization: "
                           "Bearer {}\r\n\r\n",
                           video, user.token()));
    const std::jthread reading{[&crowd](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        crowd.read();
        std::this_thread::sleep_for(std::chrono::seconds{1});
      }
    }};
    std::this_thread::sleep_for(std::chrono::seconds{5});
    print("slow readers", ask(user), idle);
  }
  {
    std::atomic<int> refused = 0;
    std::vector<std::jthread> uploads;
    for (int i = 0; i < 100; ++i) {
      uploads.emplace_back([&, client = std::shared_ptr<http::Client>{user.new_client()}] {
        yield_to_requests(19);
        const auto answer =
            client->upload("/api/v1/datasets/" + dataset + "/videos", small, "small.mp4");
        refused += answer.status == 201 || answer.status == 202 ? 0 : 1;
      });
    }
    print("uploads", ask(user), idle);
    uploads.clear();  // waits for all
    fmt::print("of the uploads {} were refused\n", refused.load());
  }
}

}  // namespace

int main() {
  try {
    measure();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_crowd: {}\n", error.what());
    return 1;
  }
}
