#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "http/message.hpp"
#include "idempotency/idempotency_service.hpp"
#include "videos/video_ingest.hpp"

namespace infernode {

// The answer to an upload that became this video.
using VideoAnswer = std::function<Answer(const Video&)>;

// Takes a multipart upload (`file`, `name`) as it arrives, a chunk at a time, and makes a video of
// it, once for each key. Whatever goes wrong, also a client that goes away, leaves no row, no blob
// and no charge.
asio::awaitable<Result<Answer>> receive_video(VideoIngest& ingest, IdempotencyService& once,
                                              DatasetId dataset, http::Request& request,
                                              std::int64_t max_bytes, VideoAnswer answer);

}  // namespace infernode
