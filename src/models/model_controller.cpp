#include "models/model_controller.hpp"

#include <fmt/format.h>

#include <exception>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "http/multipart.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;
using Event = http::MultipartParser::Event;

constexpr std::int64_t kMostModelBytes = std::int64_t{2} * 1024 * 1024 * 1024;
constexpr std::size_t kMostManifestBytes = 1024 * 1024;
constexpr std::size_t kMostPictureBytes = 8 * 1024 * 1024;

json::object model_json(const inference::Model& model) {
  json::object input;
  if (model.input.longest_side > 0) {
    input.emplace("longest_side", model.input.longest_side);
  } else {
    input.emplace("width", model.input.width);
    input.emplace("height", model.input.height);
  }
  return {{"name", model.name},
          {"pipeline", model.pipeline},
          {"description", model.description},
          {"source", model.source},
          {"license", model.license},
          {"sha256", model.sha256},
          {"input", std::move(input)},
          {"labels", json::value_from(model.labels)},
          {"keypoints", json::value_from(model.keypoints)}};
}

struct Form {
  explicit Form(BlobStore& blobs) : file{blobs} {}

  BlobWriter file;
  Sha256 sha;
  bool has_file = false;
  std::string manifest;
  std::vector<std::byte> picture;
};

Error too_large(const std::string& pointer, std::int64_t most) {
  Error error{ErrorCode::too_large, fmt::format("It may have {} bytes at most.", most)};
  error.fields.push_back({pointer, error.detail});
  return error;
}

// Reads one part to its end.
awaitable<Result<void>> receive_part(http::MultipartReader& reader, Form& form) {
  const std::string name = reader.header().name;
  const bool is_known = name == "manifest" || name == "model" || name == "picture";
  if (!is_known) {
    const std::string shown{is_utf8(name) ? utf8_prefix(name, 100) : "?"};
    co_return invalid("/" + shown, "The form has the fields manifest, model and picture.");
  }
  if ((name == "model" && form.has_file) || (name == "manifest" && !form.manifest.empty()) ||
      (name == "picture" && !form.picture.empty())) {
    co_return invalid("/" + name, "The form takes one.");
  }
  form.has_file = form.has_file || name == "model";
  for (;;) {
    const auto event = co_await reader.next();
    if (!event) {
      co_return event.error();
    }
    if (*event == Event::part_end) {
      co_return Result<void>{};
    }
    auto bytes = reader.take_data();
    if (name == "model") {
      if (form.file.size() + static_cast<std::int64_t>(bytes.size()) > kMostModelBytes) {
        co_return too_large("/model", kMostModelBytes);
      }
      form.sha.update(bytes);
      co_await form.file.write(std::move(bytes));
    } else if (name == "manifest") {
      form.manifest.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (form.manifest.size() > kMostManifestBytes) {
        co_return too_large("/manifest", kMostManifestBytes);
      }
    } else {
      form.picture.insert(form.picture.end(), bytes.begin(), bytes.end());
      if (form.picture.size() > kMostPictureBytes) {
        co_return too_large("/picture", kMostPictureBytes);
      }
    }
  }
}

awaitable<Result<Response>> receive_model(ModelService& models, Request& request,
                                          const std::string& boundary, Form& form) {
  http::MultipartReader reader{*request.stream, boundary};
  for (;;) {
    const auto event = co_await reader.next();
    if (!event) {
      co_return event.error();
    }
    if (*event == Event::end) {
      break;
    }
    const auto part = co_await receive_part(reader, form);
    if (!part) {
      co_return part.error();
    }
  }
  for (const auto& [field, is_there] : {std::pair{"/manifest", !form.manifest.empty()},
                                        {"/model", form.file.size() > 0},
                                        {"/picture", !form.picture.empty()}}) {
    if (!is_there) {
      co_return invalid(field, "The form has no such field, or it is empty.");
    }
  }
  const auto checked = models.check(form.manifest);
  if (!checked) {
    co_return checked.error();
  }
  co_await form.file.finish();
  NewModel model{form.manifest, form.file.id().value(), form.file.size(), hex(form.sha.finish()),
                 std::move(form.picture)};
  const auto added = co_await models.add(request.user(), std::move(model));
  if (!added) {
    co_return added.error();
  }
  auto answer = *checked;
  answer.sha256 = added->sha256;
  co_return http::json_response(201, model_json(answer));
}

awaitable<Result<Response>> add_model(ModelService& models, BlobStore& blobs, Request& request) {
  const auto boundary = http::multipart_boundary(request.header("content-type"));
  if (!boundary) {
    co_return Error{ErrorCode::unsupported_media,
                    "A model is uploaded as multipart/form-data with the fields manifest, model "
                    "and picture."};
  }
  Form form{blobs};
  std::exception_ptr failure;
  std::optional<Result<Response>> answer;
  try {
    answer = co_await receive_model(models, request, *boundary, form);
  } catch (...) {
    failure = std::current_exception();
  }
  // What was adopted is no longer staged, and stays.
  if (const auto staged = form.file.id(); staged && (failure || !*answer)) {
    try {
      co_await blobs.discard(*staged);
    } catch (const std::exception& error) {
      log::warn("a model that was not added stays until it expires: {}", error.what());
    }
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  co_return std::move(*answer);
}

awaitable<Result<Response>> test_model(ModelService& models, Request& request) {
  const auto differs = co_await models.test(request.path_params.at("name"));
  if (!differs) {
    co_return differs.error();
  }
  co_return http::json_response(
      200, json::object{{"sound", differs->empty()}, {"differences", json::value_from(*differs)}});
}

awaitable<Result<Response>> remove_model(ModelService& models, Request& request) {
  const auto removed = co_await models.remove(request.user(), request.path_params.at("name"));
  if (!removed) {
    co_return removed.error();
  }
  co_return http::no_content();
}

}  // namespace

void add_model_routes(http::Router& router, ModelService& models, BlobStore& blobs,
                      const inference::ModelCatalogue& catalogue,
                      std::function<asio::awaitable<void>()> refresh) {
  router.on("listModels", [&catalogue](Request&) -> awaitable<Result<Response>> {
    json::array items;
    for (const auto& model : catalogue.models()) {
      items.push_back(model_json(model));
    }
    co_return http::json_response(200, json::object{{"items", std::move(items)}});
  });
  router.on("addModel",
            [&models, &blobs, refresh](Request& request) -> awaitable<Result<Response>> {
              auto answer = co_await add_model(models, blobs, request);
              if (answer) {
                co_await refresh();
              }
              co_return answer;
            });
  router.on("testModel", [&models](Request& request) { return test_model(models, request); });
  router.on("removeModel", [&models, refresh](Request& request) -> awaitable<Result<Response>> {
    auto answer = co_await remove_model(models, request);
    if (answer) {
      co_await refresh();
    }
    co_return answer;
  });
}

}  // namespace infernode
