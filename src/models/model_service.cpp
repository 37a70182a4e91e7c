#include "models/model_service.hpp"

#include <fmt/format.h>

#include <tuple>

#include "core/digest.hpp"
#include "db/errors.hpp"
#include "inference/golden.hpp"
#include "inference/manifest.hpp"
#include "models/model_dao.hpp"

namespace infernode {
namespace {

Error taken(const std::string& name) {
  return {
      ErrorCode::conflict,
      fmt::format("There is a model {} already; remove it first, or choose another name.", name)};
}

Error not_found(const std::string& name) {
  return {ErrorCode::not_found, fmt::format("No model {} was added here.", name)};
}

// What manifests call models. Anything else may come in a path.
bool is_model_name(const std::string& name) {
  return !name.empty() && name.size() <= 63 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string::npos;
}

// As errors have it, at the manifest or the model.
Error at_form(Error error, const std::string& part) {
  for (auto& field : error.fields) {
    field.pointer = "/" + part + field.pointer;
  }
  if (error.fields.empty()) {
    error.fields.push_back({"/" + part, error.detail});
  }
  return error;
}

}  // namespace

Result<inference::Model> ModelService::check(const std::string& manifest) const {
  auto model = inference::read_manifest(manifest);
  if (!model) {
    return at_form(model.error(), "manifest");
  }
  if (shipped_.find(model->name) != nullptr) {
    return Error{
        ErrorCode::conflict,
        fmt::format("A model {} comes with the installation; choose another name.", model->name)};
  }
  if (!model->golden) {
    return at_form(invalid("/golden",
                           "is missing: a model says what it finds in a picture that comes with "
                           "it; 'infernode models:test --record' writes it"),
                   "manifest");
  }
  return std::move(*model);
}

Result<void> ModelService::check_sizes(std::int64_t model_bytes, std::int64_t picture_bytes) {
  for (const auto& [part, bytes, most] :
       {std::tuple{"/model", model_bytes, kMaxModelBytes},
        std::tuple{"/picture", picture_bytes, kMaxPictureBytes}}) {
    if (bytes > most) {
      Error error{ErrorCode::too_large,
                  fmt::format("The {} may have {} bytes at most.", part + 1, most)};
      error.fields.push_back({part, error.detail});
      return error;
    }
  }
  return {};
}

asio::awaitable<Result<std::vector<std::string>>> ModelService::differences(
    StoredTrial trial, inference::Golden golden) {
  trial.confidence = golden.confidence;
  const auto found = co_await try_model_(std::move(trial));
  if (!found) {
    co_return found.error();
  }
  co_return inference::golden_differences(golden, *found);
}

asio::awaitable<Result<inference::Model>> ModelService::add(std::optional<UserId> admin,
                                                            NewModel model) {
  auto checked = check(model.manifest);
  if (!checked) {
    co_return checked.error();
  }
  const auto fits = check_sizes(model.file_bytes, static_cast<std::int64_t>(model.picture.size()));
  if (!fits) {
    co_return fits.error();
  }
  const std::string name = checked->name;
  if (!checked->sha256.empty() && checked->sha256 != model.sha256) {
    co_return at_form(invalid("/sha256", fmt::format("the file's is {}", model.sha256)),
                      "manifest");
  }
  const auto before = co_await model_dao::find(database_, name);
  if (before) {
    co_return taken(name);
  }
  StoredTrial trial{model.manifest, model.file, model.file_bytes, model.picture, 0};
  const auto differs = co_await differences(std::move(trial), *checked->golden);
  if (!differs) {
    co_return differs.error();
  }
  if (!differs->empty()) {
    Error error{ErrorCode::invalid,
                "The model does not find in its picture what its manifest says."};
    for (const auto& sentence : *differs) {
      error.fields.push_back({"/manifest/golden", sentence});
    }
    co_return error;
  }
  auto transaction = co_await database_.begin();
  blobs_.adopt(transaction, model.file, model.file_bytes, sha256_from_hex(model.sha256));
  model_dao::insert(transaction, name, model);
  AuditedAct act{
      .admin = admin, .action = "model.add", .details = {{"name", name}, {"sha256", model.sha256}}};
  audit_.record(transaction, act);
  try {
    co_await transaction.commit();
  } catch (const db::SqlError& error) {
    if (!error.is_unique_violation()) {
      throw;
    }
    co_return taken(name);
  }
  checked->sha256 = model.sha256;
  co_return std::move(*checked);
}

asio::awaitable<Result<void>> ModelService::remove(std::optional<UserId> admin, std::string name) {
  if (!is_model_name(name)) {
    co_return not_found("of this name");
  }
  if (shipped_.find(name) != nullptr) {
    co_return Error{ErrorCode::conflict,
                    fmt::format("The model {} comes with the installation; take its files out of "
                                "its folder.",
                                name)};
  }
  auto transaction = co_await database_.begin();
  const bool there = co_await model_dao::remove(transaction, name);
  if (!there) {
    co_return not_found(name);
  }
  AuditedAct act{.admin = admin, .action = "model.remove", .details = {{"name", name}}};
  audit_.record(transaction, act);
  co_await transaction.commit();
  co_return Result<void>{};
}

asio::awaitable<Result<std::vector<std::string>>> ModelService::test(std::string name) {
  if (!is_model_name(name)) {
    co_return not_found("of this name");
  }
  const auto stored = co_await model_dao::find(database_, name);
  if (!stored) {
    co_return not_found(name);
  }
  const auto model = inference::read_manifest(stored->manifest);
  if (!model || !model->golden) {
    co_return std::vector<std::string>{"its manifest is not sound any more"};
  }
  auto picture = co_await model_dao::picture_of(database_, name);
  StoredTrial trial{stored->manifest, stored->file, stored->file_bytes, std::move(picture), 0};
  const auto differs = co_await differences(std::move(trial), *model->golden);
  if (!differs) {
    co_return std::vector<std::string>{differs.error().detail};
  }
  co_return *differs;
}

asio::awaitable<std::vector<StoredModel>> ModelService::list() {
  return model_dao::list(database_);
}

}  // namespace infernode
