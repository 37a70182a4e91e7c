#pragma once

#include <cstdint>

#include "http/router.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// /datasets/{id}/videos and /videos. `videos` must outlive the router. `upload_max_bytes`: the
// largest file.
void add_video_routes(http::Router& router, VideoService& videos, std::int64_t upload_max_bytes);

}  // namespace infernode
