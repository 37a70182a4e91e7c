#include "videos/uploads/upload_controller.hpp"

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

asio::awaitable<Result<http::Response>> get_upload(UploadService& uploads, http::Request& request) {
  const auto upload = co_await uploads.find(request.user(), request.id<UploadId>());
  if (!upload) {
    co_return upload.error();
  }
  co_return http::json_response(200, upload_json(*upload));
}

}  // namespace

json::object upload_json(const Upload& upload) {
  json::object result{{"id", upload.id.to_string()}, {"offset", upload.size},
                      {"length", upload.size},       {"state", to_text(upload.state)},
                      {"video_ids", json::array{}},  {"expires_at", rfc3339(upload.expires_at)}};
  if (upload.video) {
    result["video_ids"].as_array().emplace_back(upload.video->to_string());
  }
  if (upload.frame_count) {
    result["frame_count"] = *upload.frame_count;
  }
  if (upload.cost) {
    result["cost"] = json_tokens(*upload.cost);
  }
  if (upload.problem) {
    result["problem"] = *upload.problem;
  }
  return result;
}

void add_upload_routes(http::Router& router, UploadService& uploads) {
  router.on("getUpload",
            [&uploads](http::Request& request) { return get_upload(uploads, request); });
}

}  // namespace infernode
