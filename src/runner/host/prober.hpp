#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "core/async_semaphore.hpp"
#include "core/error.hpp"
#include "media/media_info.hpp"
#include "runner/host/runner_process.hpp"

namespace infernode::runner {

// Looks into videos, each in a runner of its own, a few at a time.
class VideoProber {
public:
  explicit VideoProber(asio::any_io_executor executor)
      : executor_{executor}, slots_{executor, kMaxRunners} {}

  // unsupported_media: no video; invalid: a video that is damaged or cannot be decoded. Throws
  // Unavailable when the bytes cannot be read.
  asio::awaitable<Result<media::MediaInfo>> probe(std::int64_t video_bytes, SourceReader read);

private:
  static constexpr int kMaxRunners = 4;

  asio::any_io_executor executor_;
  AsyncSemaphore slots_;
};

}  // namespace infernode::runner
