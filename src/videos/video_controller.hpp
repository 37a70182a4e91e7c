#pragma once

#include <cstdint>

#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// /datasets/{id}/videos and /videos. Both services must outlive the router. `upload_max_bytes`: the
// largest file.
void add_video_routes(http::Router& router, VideoService& videos, IdempotencyService& once,
                      std::int64_t upload_max_bytes);

}  // namespace infernode
