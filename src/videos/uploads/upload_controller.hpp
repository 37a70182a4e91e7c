#pragma once

#include <boost/json.hpp>

#include "http/router.hpp"
#include "videos/uploads/upload_service.hpp"

namespace infernode {

boost::json::object upload_json(const Upload& upload);
void add_upload_routes(http::Router& router, UploadService& uploads);

}  // namespace infernode
