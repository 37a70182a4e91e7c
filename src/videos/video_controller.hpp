#pragma once

#include "idempotency/once_routes.hpp"
#include "videos/uploads/multipart_upload.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// /datasets/{id}/videos and /videos. Both services must outlive the router.
void add_video_routes(OnceRoutes& routes, VideoService& videos, UploadService& uploads,
                      UploadLimits limits);

}  // namespace infernode
