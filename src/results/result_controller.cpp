#include "results/result_controller.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <memory>

#include "http/content.hpp"
#include "results/result_document.hpp"

namespace infernode {
namespace {

using http::Request;
using http::Response;
using http::asio::awaitable;

std::vector<std::byte> slice(const std::string& text, std::int64_t offset, std::size_t max_bytes) {
  const auto begin = static_cast<std::size_t>(offset);
  const std::size_t size = std::min(max_bytes, text.size() - begin);
  std::vector<std::byte> bytes(size);
  std::memcpy(bytes.data(), text.data() + begin, size);
  return bytes;
}

Response export_response(std::shared_ptr<ExportedFile> file, std::string_view type,
                         const std::string& name) {
  Response response;
  response.headers.emplace_back("Content-Type", type);
  response.headers.emplace_back("Content-Disposition",
                                fmt::format("attachment; filename=\"{}\"", name));
  response.source = [file = std::move(file)]() { return file->next(); };
  return response;
}

// The document is its head, the frames out of their blob without the first comma, and its tail.
awaitable<Result<Response>> get_result(ResultService& results, Request& request) {
  const auto result = co_await results.find(request.user(), request.id<JobId>());
  if (!result) {
    co_return result.error();
  }
  if (const auto format = request.query_text("format")) {
    const auto wanted = from_text<ExportFormat>(*format).value();
    const auto name = fmt::format("{}.{}", request.path_params.at("id"), ending_of(wanted));
    co_return export_response(results.export_as(wanted, *result), content_type_of(wanted), name);
  }
  const auto ends = std::make_shared<DocumentEnds>(document_ends(result->head));
  const auto head_bytes = static_cast<std::int64_t>(ends->before.size());
  const std::int64_t frames_bytes = std::max<std::int64_t>(result->frames_bytes - 1, 0);
  http::Content content;
  content.size = head_bytes + frames_bytes + static_cast<std::int64_t>(ends->after.size());
  content.type = "application/json";
  content.tag = http::entity_tag(result->head);
  content.read = [&blobs = results.blobs(), ends, blob = result->frames_blob, head_bytes,
                  frames_bytes](std::int64_t offset,
                                std::size_t max_bytes) -> awaitable<std::vector<std::byte>> {
    if (offset < head_bytes) {
      co_return slice(ends->before, offset, max_bytes);
    }
    offset -= head_bytes;
    if (offset < frames_bytes) {
      const auto left = static_cast<std::size_t>(frames_bytes - offset);
      co_return co_await blobs.read(blob.value(), offset + 1, std::min(max_bytes, left));
    }
    co_return slice(ends->after, offset - frames_bytes, max_bytes);
  };
  co_return http::content_response(request, std::move(content));
}

awaitable<Result<Response>> export_dataset(ResultService& results, Request& request) {
  const auto format = from_text<ExportFormat>(request.query_text("format").value()).value();
  const auto exported = co_await results.export_dataset(request.user(), request.id<DatasetId>(),
                                                        format, request.query_text("pipeline"));
  if (!exported) {
    co_return exported.error();
  }
  const bool one_file = holds_datasets(format);
  const auto name = fmt::format("{}.{}{}", request.path_params.at("id"), ending_of(format),
                                one_file ? "" : ".zip");
  co_return export_response(*exported, one_file ? content_type_of(format) : "application/zip",
                            name);
}

// A blob of a result as it is stored, by ranges.
Response blob_response(ResultService& results, const Request& request, const StoredResult& result,
                       BlobId blob, http::Content content) {
  content.tag = http::entity_tag(result.head);
  content.read = [&blobs = results.blobs(), blob](std::int64_t offset, std::size_t max_bytes) {
    return blobs.read(blob, offset, max_bytes);
  };
  return http::content_response(request, std::move(content));
}

awaitable<Result<Response>> get_images(ResultService& results, Request& request) {
  const auto result = co_await results.find(request.user(), request.id<JobId>());
  if (!result) {
    co_return result.error();
  }
  if (!result->images_blob) {
    co_return Error{ErrorCode::not_found, "This job was run without images."};
  }
  http::Content content;
  content.size = result->images_bytes;
  content.type = "application/zip";
  content.filename = "images.zip";
  co_return blob_response(results, request, *result, *result->images_blob, std::move(content));
}

awaitable<Result<Response>> get_result_video(ResultService& results, Request& request) {
  const auto result = co_await results.find(request.user(), request.id<JobId>());
  if (!result) {
    co_return result.error();
  }
  if (!result->video_blob) {
    co_return Error{ErrorCode::not_found, "This job was run without \"video\": true."};
  }
  http::Content content;
  content.size = result->video_bytes;
  content.type = "video/mp4";
  co_return blob_response(results, request, *result, *result->video_blob, std::move(content));
}

awaitable<Result<Response>> get_image(ResultService& results, Request& request) {
  const std::string& text = request.path_params.at("frame");
  int frame = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), frame);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || frame < 0) {
    co_return Error{ErrorCode::not_found, "There is no image of this frame."};
  }
  const auto jpeg = co_await results.image(request.user(), request.id<JobId>(), frame);
  if (!jpeg) {
    co_return jpeg.error();
  }
  co_return http::jpeg_response(*jpeg);
}

template <class T>
std::optional<T> query_number(const Request& request, const char* name) {
  const auto* value = request.query.if_contains(name);
  return value == nullptr ? std::nullopt : std::optional{value->to_number<T>()};
}

awaitable<Result<Response>> list_frames(ResultService& results, Request& request) {
  FrameQuery query;
  query.from = query_number<int>(request, "from").value();
  query.to = query_number<int>(request, "to").value();
  query.limit = query_number<int>(request, "limit").value();
  query.label = request.query_text("label");
  query.confidence = query_number<double>(request, "confidence");
  query.track_id = query_number<std::int64_t>(request, "track_id");
  const auto selection =
      co_await results.select_frames(request.user(), request.id<JobId>(), std::move(query));
  if (!selection) {
    co_return selection.error();
  }
  Response response;
  response.headers.emplace_back("Content-Type", "application/x-ndjson");
  response.source = [frames = *selection]() { return frames->next(); };
  co_return response;
}

awaitable<Result<Response>> get_timeline(ResultService& results, Request& request) {
  const int most = query_number<int>(request, "buckets").value();
  const auto timeline = co_await results.timeline(request.user(), request.id<JobId>(), most);
  if (!timeline) {
    co_return timeline.error();
  }
  boost::json::array buckets;
  for (const auto& bucket : timeline->buckets) {
    boost::json::object objects;
    for (const auto& [label, count] : bucket.objects) {
      objects.emplace(label, static_cast<double>(count) / bucket.frames);
    }
    buckets.push_back(boost::json::object{{"frame", bucket.frame},
                                          {"time", bucket.time},
                                          {"frames", bucket.frames},
                                          {"objects", std::move(objects)}});
  }
  co_return http::json_response(
      200, boost::json::object{{"exact", timeline->exact}, {"buckets", std::move(buckets)}});
}

}  // namespace

void add_result_routes(http::Router& router, ResultService& results) {
  const auto on = [&](const char* operation, auto function) {
    router.on(operation,
              [&results, function](Request& request) { return function(results, request); });
  };
  on("getResult", get_result);
  on("exportDataset", export_dataset);
  on("getImages", get_images);
  on("getImage", get_image);
  on("getResultVideo", get_result_video);
  on("listFrames", list_frames);
  on("getTimeline", get_timeline);
}

}  // namespace infernode
