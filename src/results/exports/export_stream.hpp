#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/json_splitter.hpp"
#include "results/exports/exporter.hpp"

namespace infernode {

namespace asio = boost::asio;

// A result in another format, piece by piece. Frames are taken apart and written anew on a thread
// of `workers`: that takes longer than an I/O thread has.
class ExportStream {
public:
  // Gives up to so many bytes of the stored frames from an offset on, none at their end.
  using Read = std::function<asio::awaitable<std::vector<std::byte>>(std::int64_t offset,
                                                                     std::size_t max_bytes)>;
  ExportStream(std::unique_ptr<Exporter> exporter, Read read, asio::thread_pool& workers);

  // The next piece; empty at the end. Throws std::exception for stored frames that are none.
  asio::awaitable<std::string> next();

private:
  struct Pass;

  Read read_;
  asio::thread_pool& workers_;
  std::shared_ptr<Pass> pass_;  // shared with the thread that works on it
  std::int64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace infernode
