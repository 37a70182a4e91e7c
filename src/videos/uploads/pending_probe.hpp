#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>

#include "core/cancellation.hpp"
#include "videos/video_ingest.hpp"

namespace infernode {

// A look into a staged file, a video or a ZIP of videos, that goes on by itself, so that whoever
// asked for it may stop waiting.
class PendingProbe {
public:
  // `ingest` must outlive it.
  static std::shared_ptr<PendingProbe> start(asio::any_io_executor executor, VideoIngest& ingest,
                                             NewVideo file);

  // Waits for its end, but not for longer than that; whether it has come. One at a time.
  asio::awaitable<bool> wait(std::chrono::steady_clock::duration most);
  // What came of it. Throws what the probe threw. Once, after its end.
  Result<NewVideos> take();
  // What it finds, or has found and nobody took, is let go.
  void cancel();

  PendingProbe(const asio::any_io_executor& executor, VideoIngest& ingest)
      : ingest_{ingest}, ended_{executor} {}

private:
  static asio::awaitable<void> run(std::shared_ptr<PendingProbe> self, NewVideo file);

  VideoIngest& ingest_;
  asio::steady_timer ended_;
  std::shared_ptr<Cancellation> cancel_ = std::make_shared<Cancellation>();
  std::optional<Result<NewVideos>> found_;
  std::exception_ptr failure_;
  bool over_ = false;
};

}  // namespace infernode
