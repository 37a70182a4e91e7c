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

// A look into a staged file that goes on by itself, so that whoever asked for it may stop waiting.
class PendingProbe {
public:
  // `ingest` must outlive it.
  static std::shared_ptr<PendingProbe> start(asio::any_io_executor executor, VideoIngest& ingest,
                                             const NewVideo& video);

  // Waits for its end, but not for longer than that; whether it has come. One at a time.
  asio::awaitable<bool> wait(std::chrono::steady_clock::duration most);
  // What came of it. Throws what the probe threw. Once, after its end.
  Result<media::MediaInfo> take();
  void cancel() { cancel_->cancel(); }

  explicit PendingProbe(const asio::any_io_executor& executor) : ended_{executor} {}

private:
  static asio::awaitable<void> run(std::shared_ptr<PendingProbe> self, VideoIngest& ingest,
                                   UserId user, BlobId file, std::int64_t size);

  asio::steady_timer ended_;
  std::shared_ptr<Cancellation> cancel_ = std::make_shared<Cancellation>();
  std::optional<Result<media::MediaInfo>> info_;
  std::exception_ptr failure_;
  bool over_ = false;
};

}  // namespace infernode
