#include "testing/server_pair.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

namespace infernode::test {
namespace {

// A port that nobody listens on.
std::uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace

ServerPair::ServerPair(TestServer& first) : first_{first} {
  ports_[0] = first.port();
  start_second();
}

ServerPair::~ServerPair() {
  end_second(SIGTERM);
}

void ServerPair::start_second() {
  const auto port = free_port();
  first_.set("INFERNODE_PORT", std::to_string(port));
  second_ = first_.spawn({"serve"});
  first_.set("INFERNODE_PORT", "0");
  wait_until("the second server to be up", [&] {
    try {
      return http::Client{"127.0.0.1", port}.request("GET", "/healthz").status == 200;
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
      return false;
    }
  });
  ports_[1] = port;
}

void ServerPair::end_second(int signal) {
  ::kill(second_, signal);
  ::waitpid(second_, nullptr, 0);
}

void ServerPair::kill_one() {
  if (kills_++ % 2 == 0) {
    end_second(SIGKILL);
    start_second();
  } else {
    first_.kill();
    first_.start();
    ports_[0] = first_.port();
  }
}

int number_from(const char* variable, int usual) {
  const char* text = std::getenv(variable);
  return text == nullptr ? usual : std::atoi(text);
}

}  // namespace infernode::test
