#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace infernode {

// Runs a function that blocks on a thread of `workers` and resumes the caller where it was, with
// the result or the exception. The function must own what it uses.
template <class Function>
boost::asio::awaitable<std::invoke_result_t<Function>> run_blocking(
    boost::asio::thread_pool& workers, Function function) {
  auto body = [](Function inner) -> boost::asio::awaitable<std::invoke_result_t<Function>> {
    co_return inner();
  };
  co_return co_await boost::asio::co_spawn(workers, body(std::move(function)),
                                           boost::asio::use_awaitable);
}

}  // namespace infernode
