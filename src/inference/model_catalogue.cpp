#include "inference/model_catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "core/digest.hpp"
#include "core/process.hpp"
#include "inference/manifest.hpp"

namespace infernode::inference {
namespace {

namespace fs = std::filesystem;

Model read_model(const fs::path& manifest, Hashes hashes) {
  std::ifstream in{manifest};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  auto read = read_manifest(text);
  if (!read) {
    throw std::runtime_error(read.error().detail);
  }
  Model model = std::move(*read);
  model.file = fs::path{manifest}.replace_extension(".onnx");
  std::error_code absent;
  const auto size = fs::file_size(model.file, absent);
  model.file_bytes = absent ? 0 : static_cast<std::int64_t>(size);
  const std::string expected = std::exchange(model.sha256, "");
  if (hashes == Hashes::yes) {
    model.sha256 = sha256_of_file(model.file);
    if (!expected.empty() && model.sha256 != expected) {
      throw std::runtime_error(fmt::format("{} has the SHA-256 {}, the manifest names {}",
                                           model.file.filename().string(), model.sha256, expected));
    }
  }
  return model;
}

}  // namespace

ModelCatalogue::ModelCatalogue(std::vector<Model> models,
                               std::map<std::string, std::string> defaults)
    : defaults_{std::move(defaults)} {
  std::sort(models.begin(), models.end(),
            [](const Model& a, const Model& b) { return a.name < b.name; });
  for (const auto& model : models) {
    const auto same = std::count_if(models.begin(), models.end(), [&](const Model& other) {
      return model.is_default && other.is_default && other.pipeline == model.pipeline;
    });
    if (same > 1) {
      throw std::runtime_error(fmt::format(
          "two models would be the default of pipeline {}, one is {}; only one manifest "
          "may say \"default\": true",
          model.pipeline, model.name));
    }
  }
  models_ = std::make_shared<const std::vector<Model>>(std::move(models));
}

const Model* ModelCatalogue::find(std::string_view name) const {
  const auto found = std::find_if(models_->begin(), models_->end(),
                                  [&](const Model& model) { return model.name == name; });
  return found == models_->end() ? nullptr : &*found;
}

std::vector<std::string> ModelCatalogue::usual_with(std::string_view pipeline,
                                                    DecoderKind decoder) const {
  std::vector<std::string> names;
  for (const auto& model : *models_) {
    if (model.pipeline == pipeline && model.decoder.kind == decoder && model.revision.empty()) {
      names.push_back(model.name);
    }
  }
  return names;
}

const Model* ModelCatalogue::default_of(std::string_view pipeline) const {
  if (const auto chosen = defaults_.find(std::string{pipeline}); chosen != defaults_.end()) {
    const auto* model = find(chosen->second);
    return model != nullptr && model->pipeline == pipeline ? model : nullptr;
  }
  const Model* only = nullptr;
  int candidates = 0;
  for (const auto& model : *models_) {
    if (model.pipeline != pipeline) {
      continue;
    }
    if (model.is_default) {
      return &model;
    }
    // One that is added takes nothing over by itself, and takes nothing away.
    if (model.revision.empty()) {
      only = &model;
      ++candidates;
    }
  }
  return candidates == 1 ? only : nullptr;
}

ModelCatalogue load_catalogue(const fs::path& folder, Hashes hashes,
                              std::map<std::string, std::string> defaults) {
  std::vector<Model> models;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto extension = entry.path().extension();
    if (extension != ".json" && extension != ".yaml" && extension != ".yml") {
      continue;
    }
    try {
      models.push_back(read_model(entry.path(), hashes));
    } catch (const std::exception& cause) {
      throw std::runtime_error(fmt::format("the model manifest {} is not sound: {}",
                                           entry.path().string(), cause.what()));
    }
  }
  return ModelCatalogue{std::move(models), std::move(defaults)};
}

fs::path model_folder(const fs::path& configured) {
  return configured.empty()
             ? own_binary().parent_path().parent_path() / "share" / "infernode" / "models"
             : configured;
}

fs::path manifest_beside(const fs::path& model_file) {
  for (const char* extension : {".json", ".yaml", ".yml"}) {
    auto path = fs::path{model_file}.replace_extension(extension);
    if (fs::exists(path)) {
      return path;
    }
  }
  throw std::runtime_error(fmt::format("{} has no manifest", model_file.string()));
}

}  // namespace infernode::inference
