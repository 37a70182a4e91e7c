#include "videos/video_controller.hpp"

#include "core/json.hpp"
#include "http/idempotency.hpp"
#include "http/ranges.hpp"
#include "videos/video_upload.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

json::object video_json(const Video& video) {
  return {{"id", video.id.to_string()},
          {"dataset_id", video.dataset.to_string()},
          {"name", video.name},
          {"frame_count", video.frame_count},
          {"width", video.width},
          {"height", video.height},
          {"fps", video.fps},
          {"duration", video.duration},
          {"codec", video.codec},
          {"size", video.size},
          {"sha256", video.sha256},
          {"created_at", rfc3339(video.created_at)},
          {"updated_at", rfc3339(video.updated_at)}};
}

VideoId video_of(const Request& request) {
  return VideoId::parse(request.path_params.at("id")).value_or(VideoId{});
}

DatasetId dataset_of(const Request& request) {
  return DatasetId::parse(request.path_params.at("id")).value_or(DatasetId{});
}

awaitable<Result<Response>> upload(VideoService& videos, IdempotencyService& once,
                                   std::int64_t max_bytes, Request& request) {
  VideoAnswer created = [](const Video& video) {
    return Answer{201, json_text(video_json(video))};
  };
  auto answer = co_await receive_video(videos, once, dataset_of(request), request, max_bytes,
                                       std::move(created));
  co_return http::answer_response(std::move(answer));
}

awaitable<Result<Response>> list(VideoService& videos, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  const auto rows = co_await videos.list(request.user(), dataset_of(request), *page);
  if (!rows) {
    co_return rows.error();
  }
  co_return http::json_response(200,
                                page_of(*rows, page->limit, video_json, [](const Video& video) {
                                  return Cursor{video.created_at, video.id.value};
                                }));
}

awaitable<Result<Response>> get(VideoService& videos, Request& request) {
  const auto video = co_await videos.find(request.user(), video_of(request));
  if (!video) {
    co_return video.error();
  }
  co_return http::json_response(200, video_json(*video));
}

awaitable<Result<Response>> content(VideoService& videos, Request& request) {
  const auto video = co_await videos.find(request.user(), video_of(request));
  if (!video) {
    co_return video.error();
  }
  http::Content content;
  content.size = video->size;
  content.type = "application/octet-stream";
  content.tag = "\"" + video->sha256 + "\"";
  content.filename = video->name;
  content.read = [&blobs = videos.blobs(), file = video->file](std::int64_t offset,
                                                               std::size_t max_bytes) {
    return blobs.read(file, offset, max_bytes);
  };
  co_return http::content_response(request, std::move(content));
}

awaitable<Result<Response>> thumbnail(VideoService& videos, Request& request) {
  const auto jpeg = co_await videos.thumbnail(request.user(), video_of(request));
  if (!jpeg) {
    co_return jpeg.error();
  }
  Response response;
  response.headers.emplace_back("Content-Type", "image/jpeg");
  response.body.assign(reinterpret_cast<const char*>(jpeg->data()), jpeg->size());
  co_return response;
}

awaitable<Result<Response>> remove(VideoService& videos, Request& request) {
  const auto removed = co_await videos.remove(request.user(), video_of(request));
  if (!removed) {
    co_return removed.error();
  }
  Response response;
  response.status = 204;
  co_return response;
}

}  // namespace

void add_video_routes(http::Router& router, VideoService& videos, IdempotencyService& once,
                      std::int64_t upload_max_bytes) {
  const auto add = [&](const char* method, const char* path, const char* operation, auto function) {
    router.add({method, path, operation, http::Access::user, http::BodyKind::none,
                [&videos, function](Request& request) { return function(videos, request); }});
  };
  router.add({"POST", "/api/v1/datasets/{id}/videos", "uploadVideo", http::Access::user,
              http::BodyKind::stream, [&videos, &once, upload_max_bytes](Request& request) {
                return upload(videos, once, upload_max_bytes, request);
              }});
  add("GET", "/api/v1/datasets/{id}/videos", "listVideos", list);
  add("GET", "/api/v1/videos/{id}", "getVideo", get);
  add("DELETE", "/api/v1/videos/{id}", "deleteVideo", remove);
  add("GET", "/api/v1/videos/{id}/content", "getVideoContent", content);
  add("GET", "/api/v1/videos/{id}/thumbnail", "getVideoThumbnail", thumbnail);
}

}  // namespace infernode
