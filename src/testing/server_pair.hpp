#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "testing/test_server.hpp"

namespace infernode::test {

// A server and another one on its database, which are killed in turns.
class ServerPair {
public:
  // Starts the other one. `first` must outlive it.
  explicit ServerPair(TestServer& first);
  ~ServerPair();
  ServerPair(const ServerPair&) = delete;
  ServerPair& operator=(const ServerPair&) = delete;

  // Where they listen, 0 or 1; from any thread. It changes when one is started again.
  std::uint16_t port(std::size_t which) const { return ports_.at(which); }
  // SIGKILL for one of them, which is started again.
  void kill_one();
  int kills() const { return kills_; }

private:
  void start_second();
  void end_second(int signal);

  TestServer& first_;
  pid_t second_ = -1;
  std::array<std::atomic<std::uint16_t>, 2> ports_{};
  int kills_ = 0;
};

// How many, by a variable of the environment.
int number_from(const char* variable, int usual);

}  // namespace infernode::test
