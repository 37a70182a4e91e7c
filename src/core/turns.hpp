#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

namespace infernode {

// Lets many coroutines of one single-threaded executor go on one after the other, each until it
// waits for something, and between two of them whatever else has become ready: a hundred that are
// ready at the same moment do not keep others waiting for a hundred times their work.
class Turns {
  struct State;

public:
  explicit Turns(boost::asio::any_io_executor executor);

  // Waits for the next turn, in the order of asking.
  boost::asio::awaitable<void> take();

private:
  std::shared_ptr<State> state_;
};

}  // namespace infernode
