#include "videos/video_controller.hpp"

#include "core/json.hpp"
#include "http/content.hpp"
#include "idempotency/request_key.hpp"
#include "videos/uploads/multipart_upload.hpp"

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
          {"rotation", video.rotation},
          {"pixel_aspect", video.pixel_aspect},
          {"fps", video.fps},
          {"duration", video.duration},
          {"codec", video.codec},
          {"size", video.size},
          {"sha256", video.sha256},
          {"warnings", json::value_from(video.warnings)},
          {"created_at", rfc3339(video.created_at)},
          {"updated_at", rfc3339(video.updated_at)}};
}

awaitable<Result<Response>> upload_video(UploadService& uploads, IdempotencyService& once,
                                         UploadLimits limits, Request& request) {
  VideoAnswers created;
  created.video = [](const Video& video) { return json_answer(201, video_json(video)); };
  created.zip = [](const std::vector<Video>& videos, Tokens cost) {
    json::array items;
    for (const auto& video : videos) {
      items.push_back(video_json(video));
    }
    return json_answer(201, json::object{{"items", std::move(items)}, {"cost", json_tokens(cost)}});
  };
  auto answer = co_await receive_video(uploads, once, request.id<DatasetId>(), request, limits,
                                       std::move(created));
  if (!answer || answer->status != kAcceptedForLater) {
    co_return answer_response(std::move(answer));
  }
  const auto id = json::value_to<std::string>(json::parse(answer->body).at("id"));
  auto response = answer_response(std::move(answer));
  response->headers.emplace_back("Location", "/api/v1/uploads/" + id);
  co_return response;
}

awaitable<Result<Response>> list_videos(VideoService& videos, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  const auto rows = co_await videos.list(request.user(), request.id<DatasetId>(), *page);
  if (!rows) {
    co_return rows.error();
  }
  co_return http::json_text_response(
      200, page_of(*rows, page->limit, video_json, [](const Video& video) {
        return Cursor{video.created_at, video.id.value};
      }));
}

awaitable<Result<Response>> get_video(VideoService& videos, Request& request) {
  const auto video = co_await videos.find(request.user(), request.id<VideoId>());
  if (!video) {
    co_return video.error();
  }
  co_return http::json_response(200, video_json(*video));
}

awaitable<Result<Response>> get_content(VideoService& videos, Request& request) {
  const auto video = co_await videos.find(request.user(), request.id<VideoId>());
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

awaitable<Result<Response>> get_thumbnail(VideoService& videos, Request& request) {
  const auto jpeg = co_await videos.thumbnail(request.user(), request.id<VideoId>());
  if (!jpeg) {
    co_return jpeg.error();
  }
  co_return http::jpeg_response(*jpeg);
}

awaitable<Result<Response>> delete_video(VideoService& videos, Request& request) {
  const auto removed = co_await videos.remove(request.user(), request.id<VideoId>());
  if (!removed) {
    co_return removed.error();
  }
  co_return http::no_content();
}

}  // namespace

void add_video_routes(OnceRoutes& routes, VideoService& videos, UploadService& uploads,
                      UploadLimits limits) {
  const auto on = [&](const char* operation, auto function) {
    routes.router().on(operation,
                       [&videos, function](Request& request) { return function(videos, request); });
  };
  // Not by OnceRoutes: the bytes come before the transaction.
  routes.router().on("uploadVideo", [&uploads, &once = routes.once(), limits](Request& request) {
    return upload_video(uploads, once, limits, request);
  });
  on("listVideos", list_videos);
  on("getVideo", get_video);
  on("deleteVideo", delete_video);
  on("getVideoContent", get_content);
  on("getVideoThumbnail", get_thumbnail);
}

}  // namespace infernode
