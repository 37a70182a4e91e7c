#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "http/message.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// Takes a multipart upload (`file`, `name`) as it arrives, a chunk at a time, and makes a video of
// it. Whatever goes wrong, also a client that goes away, leaves no row, no blob and no charge.
asio::awaitable<Result<Video>> receive_video(VideoService& videos, DatasetId dataset,
                                             http::Request& request, std::int64_t max_bytes);

}  // namespace infernode
