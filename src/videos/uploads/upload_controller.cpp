#include "videos/uploads/upload_controller.hpp"

#include <fmt/format.h>

#include <exception>

#include "core/json.hpp"
#include "core/page.hpp"
#include "http/problem.hpp"
#include "idempotency/once_routes.hpp"
#include "idempotency/request_key.hpp"
#include "videos/uploads/resumable_upload.hpp"
#include "videos/uploads/tus.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

// As the tus protocol's handlers see a request: their version, and where it goes on.
struct UploadRoutes {
  UploadService& uploads;
  IdempotencyService& once;
  UploadLimits limits;

  awaitable<Result<Response>> get(Request& request) const {
    const auto upload = co_await uploads.find(request.user(), request.id<UploadId>());
    if (!upload) {
      co_return upload.error();
    }
    co_return http::json_response(200, upload_json(*upload));
  }

  awaitable<Result<Response>> list(Request& request) const {
    const auto page = page_request(request.query);
    if (!page) {
      co_return page.error();
    }
    const auto rows = co_await uploads.list(request.user(), *page);
    co_return http::json_text_response(
        200, page_of(rows, page->limit, upload_json, [](const Upload& upload) {
          return Cursor{upload.created_at, upload.id.value};
        }));
  }

  awaitable<Result<Response>> accept(Request& request) const {
    const auto id = request.id<UploadId>();
    const auto outcome = co_await uploads.accept(request.user(), id);
    if (!outcome) {
      co_return outcome.error();
    }
    if (*outcome) {
      co_await (*outcome)->wait(limits.wait);
    }
    const auto upload = co_await uploads.find(request.user(), id);
    if (!upload) {
      co_return upload.error();
    }
    if (upload->problem) {
      co_return problem_of(*upload);
    }
    if (upload->state == UploadState::priced) {
      Error error{ErrorCode::price_changed, "It costs more by now; accept it again to pay that."};
      error.required = upload->cost;
      co_return error;
    }
    co_return http::json_response(200, upload_json(*upload));
  }

  // What this server speaks.
  awaitable<Result<Response>> options(Request&) const {
    auto response = http::no_content();
    response.headers = {{"Tus-Version", tus::kVersion},
                        {"Tus-Max-Size", std::to_string(limits.max_bytes)},
                        {"Tus-Extension", tus::kExtensions},
                        {"Tus-Checksum-Algorithm", tus::kAlgorithms}};
    co_return response;
  }

  awaitable<Result<Response>> create(Request& request) const {
    if (auto refused = other_version(request)) {
      co_return std::move(*refused);
    }
    const auto length = tus::parse_bytes("Upload-Length", request.header("upload-length"));
    if (!length) {
      co_return length.error();
    }
    auto metadata = tus::parse_metadata(request.header("upload-metadata"));
    if (!metadata) {
      co_return metadata.error();
    }
    const auto fault = fault_of(*length, *metadata);
    if (fault) {
      co_return *fault;
    }
    auto announced = tus_checksum(request);
    if (!announced) {
      co_return announced.error();
    }
    const bool has_body =
        request.stream->content_length().value_or(1) > 0 && !request.header("content-type").empty();
    if (has_body && http::media_type(request.header("content-type")) != tus::kContentType) {
      co_return not_tus_bytes();
    }
    NewUpload wanted{
        request.user(), metadata->dataset.value(), std::move(metadata->name),
        *length,        metadata->confirm,         std::string{request.header("upload-metadata")}};
    const auto begun = co_await begin_once(request, std::move(wanted));
    if (!begun) {
      co_return begun.error();
    }
    const auto& upload = *begun;
    std::optional<Response> response;
    // A repeated request's bytes are not read where some have come: the answer says how many.
    const bool receives = upload.state == UploadState::receiving && upload.offset == 0;
    if (has_body && receives) {
      std::exception_ptr failure;
      Result<Response> received = Error{ErrorCode::malformed, ""};
      try {
        received = co_await receive(request, upload.id, 0, std::move(*announced));
      } catch (...) {
        failure = std::current_exception();
      }
      // Its place was told to nobody, and nobody can ask for it again.
      if ((failure || !received) && request.header("idempotency-key").empty()) {
        co_await uploads.abandon(request.user(), upload.id);
      }
      if (failure) {
        std::rethrow_exception(failure);
      }
      if (!received) {
        co_return received.error();
      }
      response = std::move(*received);
    }
    if (!response) {
      // Of a repeated one: else its client took the transfer for a success.
      response = upload.problem ? problem_of(upload) : http::no_content();
      add_place(*response, upload);
    }
    if (response->status == 204) {
      response->status = 201;
    }
    response->headers.emplace_back("Location", "/api/v1/uploads/" + upload.id.to_string());
    co_return std::move(*response);
  }

  awaitable<Result<Response>> offset(Request& request) const {
    if (auto refused = other_version(request)) {
      co_return std::move(*refused);
    }
    const auto upload = co_await uploads.find(request.user(), request.id<UploadId>());
    if (!upload) {
      co_return upload.error();
    }
    if (upload->problem && !upload->kept) {
      co_return problem_of(*upload);  // else its client took the transfer for a success
    }
    Response response;
    add_place(response, *upload);
    response.headers.emplace_back("Upload-Length", std::to_string(upload->size));
    if (upload->metadata) {
      response.headers.emplace_back("Upload-Metadata", *upload->metadata);
    }
    response.headers.emplace_back("Cache-Control", "no-store");
    co_return response;
  }

  awaitable<Result<Response>> append(Request& request) const {
    if (auto refused = other_version(request)) {
      co_return std::move(*refused);
    }
    if (http::media_type(request.header("content-type")) != tus::kContentType) {
      co_return not_tus_bytes();
    }
    const auto offset = tus::parse_bytes("Upload-Offset", request.header("upload-offset"));
    if (!offset) {
      co_return offset.error();
    }
    auto checksum = tus_checksum(request);
    if (!checksum) {
      co_return checksum.error();
    }
    co_return co_await receive(request, request.id<UploadId>(), *offset, std::move(*checksum));
  }

  awaitable<Result<Response>> remove(Request& request) const {
    // A plain client deletes what GET lists without a word of tus.
    if (!request.header("tus-resumable").empty()) {
      if (auto refused = other_version(request)) {
        co_return std::move(*refused);
      }
    }
    const auto removed = co_await uploads.remove(request.user(), request.id<UploadId>());
    if (!removed) {
      co_return removed.error();
    }
    co_return http::no_content();
  }

private:
  static std::optional<Response> other_version(const Request& request) {
    if (request.header("tus-resumable") == tus::kVersion) {
      return std::nullopt;
    }
    const Error error{ErrorCode::precondition_failed,
                      fmt::format("This speaks tus {}: send the header Tus-Resumable: {}.",
                                  tus::kVersion, tus::kVersion)};
    auto response = http::problem_response(error, request.request_id);
    response.headers.emplace_back("Tus-Version", tus::kVersion);
    return response;
  }

  // The upload that the request begins, or began before under its key.
  awaitable<Result<Upload>> begin_once(Request& request, NewUpload wanted) const {
    const auto user = wanted.user;
    auto key = idempotency_key(request, fmt::format("{}\n{}", wanted.size, wanted.metadata));
    bool known = false;
    if (key) {
      known = co_await once.knows(user, *key);
    }
    if (!known) {
      const auto allowed = co_await uploads.ingest().check(user, wanted.dataset);
      if (!allowed) {
        co_return allowed.error();
      }
    }
    std::optional<Upload> made;
    IdempotencyService::Effect effect =
        [&](db::Transaction& transaction) -> awaitable<Result<Answer>> {
      if (known) {
        // The key is claimed with this, which ends here and gives the first answer.
        std::vector<db::Command> nothing;
        co_await transaction.execute_all(std::move(nothing));
        throw Unavailable("the key of a repeated request expired meanwhile");
      }
      auto upload = co_await uploads.create(transaction, wanted);
      if (!upload) {
        co_return upload.error();
      }
      made = std::move(*upload);
      co_return json_answer(201, upload_json(*made));
    };
    const auto answer = co_await once.act(user, std::move(key), std::move(effect));
    if (!answer) {
      co_return answer.error();
    }
    const auto id =
        UploadId::parse(json::value_to<std::string>(json::parse(answer->body).at("id")));
    if (made && made->id == id) {
      co_return std::move(*made);
    }
    co_return co_await uploads.find(user, id.value());
  }

  static Error not_tus_bytes() {
    return {ErrorCode::unsupported_media,
            fmt::format("The bytes come with the header 'Content-Type: {}'.", tus::kContentType)};
  }

  static Result<std::unique_ptr<tus::Checksum>> tus_checksum(const Request& request) {
    const auto header = request.header("upload-checksum");
    if (header.empty()) {
      return std::unique_ptr<tus::Checksum>{};
    }
    return tus::parse_checksum(header);
  }

  std::optional<Error> fault_of(std::int64_t length, const tus::Metadata& metadata) const {
    Error error{ErrorCode::invalid, ""};
    const auto add = [&](const char* header, const char* detail) {
      error.fields.push_back(FieldError{header, detail});
      error.detail += fmt::format("{}{} {}.", error.detail.empty() ? "" : " ", header, detail);
    };
    if (length > limits.max_bytes) {
      error.code = ErrorCode::too_large;
      error.detail = fmt::format("A video may have {} bytes at most.", limits.max_bytes);
      error.fields.push_back(FieldError{"Upload-Length", "is more than the limit"});
      return error;
    }
    if (length == 0) {
      add("Upload-Length", "is more than 0: an empty file is no video");
    }
    if (!metadata.dataset) {
      add("Upload-Metadata", "has the id of a dataset as dataset_id");
    }
    if (metadata.name.empty()) {
      add("Upload-Metadata", "has a name or a filename");
    }
    return error.fields.empty() ? std::nullopt : std::optional{error};
  }

  static void add_place(Response& response, const Upload& upload) {
    response.headers.emplace_back("Upload-Offset", std::to_string(upload.offset));
    if (upload.state != UploadState::accepted) {
      response.headers.emplace_back("Upload-Expires", http_date(upload.expires_at));
    }
    if (upload.videos.size() == 1) {
      response.headers.emplace_back("X-Video", upload.videos.front().to_string());
    }
  }

  // As a multipart upload would have been answered.
  static Response problem_of(const Upload& upload) {
    Response response = http::json_response(
        static_cast<int>(upload.problem->at("status").as_int64()), json::value(*upload.problem));
    response.headers = {{"Content-Type", "application/problem+json"}};
    return response;
  }

  // The body's bytes, and with the last ones what comes of the file, if it comes soon.
  awaitable<Result<Response>> receive(Request& request, UploadId id, std::int64_t offset,
                                      std::unique_ptr<tus::Checksum> checksum) const {
    auto held = co_await uploads.hold(request.user(), id, offset);
    if (!held) {
      co_return held.error();
    }
    const auto received =
        co_await receive_piece(uploads, *held, *request.stream, std::move(checksum));
    if (!received) {
      co_return received.error();
    }
    if (held->outcome) {
      co_await held->outcome->wait(limits.wait);
    }
    const auto upload = co_await uploads.find(request.user(), id);
    if (!upload) {
      co_return upload.error();
    }
    auto response = upload->problem ? problem_of(*upload) : http::no_content();
    add_place(response, *upload);
    co_return response;
  }
};

}  // namespace

json::object upload_json(const Upload& upload) {
  json::object result{{"id", upload.id.to_string()},
                      {"dataset_id", upload.dataset.to_string()},
                      {"name", upload.name},
                      {"offset", upload.offset},
                      {"length", upload.size},
                      {"state", to_text(upload.state)},
                      {"video_ids", json::array{}},
                      {"created_at", rfc3339(upload.created_at)},
                      {"expires_at", rfc3339(upload.expires_at)}};
  for (const auto video : upload.videos) {
    result["video_ids"].as_array().emplace_back(video.to_string());
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

void add_upload_routes(http::Router& router, UploadService& uploads, IdempotencyService& once,
                       UploadLimits limits) {
  const auto routes = std::make_shared<const UploadRoutes>(UploadRoutes{uploads, once, limits});
  const auto on = [&](const char* operation,
                      awaitable<Result<Response>> (UploadRoutes::*handle)(Request&) const) {
    router.on(operation, [routes, handle](Request& request) { return (*routes.*handle)(request); });
  };
  on("getUpload", &UploadRoutes::get);
  on("listUploads", &UploadRoutes::list);
  on("acceptUpload", &UploadRoutes::accept);
  on("describeUploads", &UploadRoutes::options);
  on("describeUpload", &UploadRoutes::options);
  on("createUpload", &UploadRoutes::create);
  on("getUploadOffset", &UploadRoutes::offset);
  on("appendToUpload", &UploadRoutes::append);
  on("deleteUpload", &UploadRoutes::remove);
}

}  // namespace infernode
