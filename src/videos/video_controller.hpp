#pragma once

#include <cstdint>

#include "idempotency/once_routes.hpp"
#include "videos/video_ingest.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// /datasets/{id}/videos and /videos. Both services must outlive the router. `upload_max_bytes`: the
// largest file.
void add_video_routes(OnceRoutes& routes, VideoService& videos, VideoIngest& ingest,
                      std::int64_t upload_max_bytes);

}  // namespace infernode
