#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "core/cancellation.hpp"
#include "core/error.hpp"
#include "core/fair_slots.hpp"
#include "media/media_info.hpp"
#include "runner/host/runner_process.hpp"

namespace infernode::runner {

// Looks into videos, each in a runner of its own, a few at a time and fewer for one user.
class VideoProber {
public:
  explicit VideoProber(asio::any_io_executor executor)
      : executor_{executor}, slots_{executor, kMaxRunners, kMaxRunnersOfUser} {}

  // unsupported_media: no video; invalid: a video that is damaged or cannot be decoded. Throws
  // Unavailable when the bytes cannot be read, and Cancelled.
  asio::awaitable<Result<media::MediaInfo>> probe(std::string user, std::int64_t video_bytes,
                                                  SourceReader read,
                                                  std::shared_ptr<Cancellation> cancel);

private:
  static constexpr int kMaxRunners = 4;
  static constexpr int kMaxRunnersOfUser = 2;

  asio::any_io_executor executor_;
  FairSlots slots_;
};

}  // namespace infernode::runner
