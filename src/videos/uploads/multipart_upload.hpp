#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "http/message.hpp"
#include "idempotency/idempotency_service.hpp"
#include "videos/uploads/upload_service.hpp"

namespace infernode {

struct UploadLimits {
  std::int64_t max_bytes = 0;                  // of a file
  std::chrono::steady_clock::duration wait{};  // for the probe, before the answer is 202
};

// The status of an answer whose body is an upload instead of a video.
constexpr int kAcceptedForLater = 202;

// The answer to an upload that became this video, or to a ZIP that became these.
struct VideoAnswers {
  std::function<Answer(const Video&)> video;
  std::function<Answer(const std::vector<Video>&, Tokens cost)> zip;
};

// Takes a multipart upload (`file`, `name`) as it arrives, a chunk at a time, and makes a video of
// it, or of each file of a ZIP, once for each key; where looking into it takes longer than
// `limits.wait`, or the client asks for it (Prefer: respond-async, RFC 7240), the answer is the
// upload (202), which goes on by itself. Whatever goes wrong, also a client that goes away before,
// leaves no row, no blob and no charge.
asio::awaitable<Result<Answer>> receive_video(UploadService& uploads, IdempotencyService& once,
                                              DatasetId dataset, http::Request& request,
                                              UploadLimits limits, VideoAnswers answers);

}  // namespace infernode
