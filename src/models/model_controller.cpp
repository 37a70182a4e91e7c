#include "models/model_controller.hpp"

#include <fmt/format.h>

#include <exception>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "http/multipart.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;
using Event = http::MultipartParser::Event;

constexpr std::size_t kMaxManifestBytes = 1024 * 1024;

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

awaitable<Result<void>> receive(Form& form, const std::string& name, std::vector<std::byte> bytes) {
  if (name == "manifest") {
    form.manifest.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (form.manifest.size() > kMaxManifestBytes) {
      Error error{ErrorCode::too_large,
                  fmt::format("The manifest may have {} bytes at most.", kMaxManifestBytes)};
      error.fields.push_back({"/manifest", error.detail});
      co_return error;
    }
    co_return Result<void>{};
  }
  const auto more = static_cast<std::int64_t>(bytes.size());
  const auto picture_bytes = static_cast<std::int64_t>(form.picture.size());
  const bool is_model = name == "model";
  const auto fits = ModelService::check_sizes(form.file.size() + (is_model ? more : 0),
                                              picture_bytes + (is_model ? 0 : more));
  if (!fits) {
    co_return fits.error();
  }
  if (is_model) {
    form.sha.update(bytes);
    co_await form.file.write(std::move(bytes));
  } else {
    form.picture.insert(form.picture.end(), bytes.begin(), bytes.end());
  }
  co_return Result<void>{};
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
  http::PartSink take = [&form, name](std::vector<std::byte> bytes) {
    return receive(form, name, std::move(bytes));
  };
  co_return co_await reader.read_part(std::move(take));
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
  co_return http::json_response(201, model_json(*added));
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
    co_await blobs.try_discard(*staged);
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
                      std::function<asio::awaitable<void>()> reread,
                      std::function<asio::awaitable<ModelDevices>()> find_devices) {
  router.on("listModels", [&catalogue, find_devices](Request&) -> awaitable<Result<Response>> {
    const auto devices = co_await find_devices();
    json::array items;
    for (const auto& model : catalogue.models()) {
      auto item = model_json(model);
      const auto own = devices.of_model.find(inference::versioned_name(model));
      item["devices"] =
          own == devices.of_model.end() ? json::array{} : json::value_from(own->second);
      items.push_back(std::move(item));
    }
    co_return http::json_response(
        200, json::object{{"items", std::move(items)}, {"devices", json::value_from(devices.all)}});
  });
  router.on("addModel", [&models, &blobs, reread](Request& request) -> awaitable<Result<Response>> {
    auto answer = co_await add_model(models, blobs, request);
    if (answer) {
      co_await reread();
    }
    co_return answer;
  });
  router.on("testModel", [&models](Request& request) { return test_model(models, request); });
  router.on("removeModel", [&models, reread](Request& request) -> awaitable<Result<Response>> {
    auto answer = co_await remove_model(models, request);
    if (answer) {
      co_await reread();
    }
    co_return answer;
  });
}

}  // namespace infernode
