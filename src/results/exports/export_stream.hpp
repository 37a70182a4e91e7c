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

// A file that is made while it is sent.
class ExportedFile {
public:
  virtual ~ExportedFile() = default;
  // The next piece; empty at the end. Throws std::exception for stored frames that are none.
  virtual asio::awaitable<std::string> next() = 0;
};

// A result, or those of a dataset's videos, in another format, piece by piece. Frames are taken
// apart and written anew on a thread of `workers`: that takes longer than an I/O thread has.
class ExportStream : public ExportedFile {
public:
  // Gives up to so many bytes of the stored frames from an offset on, none at their end.
  using Read = std::function<asio::awaitable<std::vector<std::byte>>(std::int64_t offset,
                                                                     std::size_t max_bytes)>;
  struct Source {
    ExportFacts facts;
    Read read;
  };
  // Gives the results by their number, 0, 1, 2 ..., in each pass; nullopt behind the last.
  using Open = std::function<asio::awaitable<std::optional<Source>>(std::size_t number)>;
  // Of this result alone.
  static Open opening(Source source);
  ExportStream(std::unique_ptr<Exporter> exporter, Open open, asio::thread_pool& workers);

  asio::awaitable<std::string> next() override;

private:
  struct Pass;

  asio::awaitable<std::string> begin_next();

  Open open_;
  std::optional<Source> source_;  // that is read
  std::size_t number_ = 0;        // of the next one
  asio::thread_pool& workers_;
  std::shared_ptr<Pass> pass_;  // shared with the thread that works on it
  std::int64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace infernode
