#pragma once

#include <boost/json.hpp>

#include "http/router.hpp"
#include "videos/uploads/multipart_upload.hpp"
#include "videos/uploads/upload_service.hpp"

namespace infernode {

boost::json::object upload_json(const Upload& upload);
// Uploads as JSON, and as tus 1.0.0 takes them.
void add_upload_routes(http::Router& router, UploadService& uploads, IdempotencyService& once,
                       UploadLimits limits);

}  // namespace infernode
