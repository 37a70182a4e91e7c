#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>

namespace infernode {

// bcrypt through libxcrypt ("$2b$"). Both functions take a good part of a second at the usual cost,
// so they never run on an I/O thread; PasswordHasher sees to that.

// `cost`: 4..31, the work grows as 2^cost. Throws std::runtime_error.
std::string hash_password(const std::string& password, int cost);
// Compares in constant time. False also for a hash that is none.
bool password_matches(const std::string& password, const std::string& hash);
// The cost that a hash was made with; 0 for a hash that is none.
int password_cost(const std::string& hash);
// A hash of no known password: comparing with it takes as long as with any other of that cost.
std::string decoy_hash(int cost);

// Hashes for coroutines of one single-threaded executor, on a thread for each core. The threads are
// at nice 19, so that a crowd that logs in does not hold up other requests. At most `max_pending`
// hashes wait or run at once: one more throws Unavailable rather than letting everybody wait longer
// and longer.
class PasswordHasher {
public:
  PasswordHasher(int cost, int max_pending) : cost_{cost}, max_pending_{max_pending} {}

  int cost() const { return cost_; }
  boost::asio::awaitable<std::string> hash(std::string password);
  boost::asio::awaitable<bool> matches(std::string password, std::string hash);

private:
  std::shared_ptr<int> take_place();
  template <class Function>
  boost::asio::awaitable<std::invoke_result_t<Function>> run(Function function);

  int cost_;
  int max_pending_;
  // Shared: a coroutine that is dropped when the server stops may outlive this.
  std::shared_ptr<int> pending_ = std::make_shared<int>(0);
  // Between the I/O thread and the workers. One of those may be interrupted while it holds the lock
  // of the queue that it gives its result to, and not go on for a long while at its priority: the
  // relay waits for it then. The I/O thread shares a lock with the entrance alone.
  boost::asio::thread_pool entrance_{1};
  boost::asio::thread_pool relay_{1};
  boost::asio::thread_pool workers_{std::max(1U, std::thread::hardware_concurrency())};
};

}  // namespace infernode
