#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cancellation.hpp"
#include "core/error.hpp"
#include "core/fair_slots.hpp"
#include "media/packed_file.hpp"
#include "runner/host/runner_process.hpp"

namespace infernode::runner {

// Unpacks ZIPs, each in a runner of its own, a few at a time and one for a user.
class ZipUnpacker {
public:
  explicit ZipUnpacker(asio::any_io_executor executor)
      : executor_{executor}, slots_{executor, kMaxRunners, kMaxRunnersOfUser} {}

  // What the sink refuses; invalid: a ZIP that is damaged, hostile, or unpacks to more than
  // `most_bytes`. Throws Unavailable when the bytes cannot be read, Cancelled, and what the sink
  // throws.
  asio::awaitable<Result<void>> unpack(std::string user, std::int64_t zip_bytes,
                                       std::int64_t most_bytes, SourceReader read,
                                       std::shared_ptr<media::PackedFileSink> sink,
                                       std::shared_ptr<Cancellation> cancel);

private:
  static constexpr int kMaxRunners = 2;
  static constexpr int kMaxRunnersOfUser = 1;

  asio::any_io_executor executor_;
  FairSlots slots_;
};

}  // namespace infernode::runner
