#include "inference/model_catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <stdexcept>

#include "core/digest.hpp"
#include "core/process.hpp"

namespace infernode::inference {
namespace {

namespace fs = std::filesystem;

Model read_manifest(const fs::path& manifest, Hashes hashes) {
  std::ifstream in{manifest};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto value = boost::json::parse(text);
  const auto string_at = [&](const char* pointer) {
    return boost::json::value_to<std::string>(value.at_pointer(pointer));
  };
  const auto number_at = [&](const char* pointer) {
    return boost::json::value_to<int>(value.at_pointer(pointer));
  };
  Model model;
  model.name = string_at("/name");
  model.pipeline = string_at("/pipeline");
  if (const auto* flag = value.as_object().if_contains("default")) {
    model.is_default = flag->as_bool();
  }
  model.description = string_at("/description");
  model.source = string_at("/source");
  model.license = string_at("/license");
  model.input_name = string_at("/input/name");
  model.input_width = number_at("/input/width");
  model.input_height = number_at("/input/height");
  model.output_name = string_at("/output/name");
  model.output_rows = number_at("/output/rows");
  model.labels = boost::json::value_to<std::vector<std::string>>(value.at("labels"));
  const auto decoder = from_text<Decoder>(string_at("/decoder"));
  if (!decoder || string_at("/input/resize") != "stretch") {
    throw std::runtime_error("unknown decoder or resize");
  }
  model.decoder = *decoder;
  model.file = fs::path{manifest}.replace_extension(".onnx");
  if (hashes == Hashes::yes) {
    model.sha256 = sha256_of_file(model.file);
  }
  return model;
}

}  // namespace

ModelCatalogue::ModelCatalogue(std::vector<Model> models) : models_{std::move(models)} {
  std::sort(models_.begin(), models_.end(),
            [](const Model& a, const Model& b) { return a.name < b.name; });
  for (const auto& model : models_) {
    const auto same = std::count_if(models_.begin(), models_.end(), [&](const Model& other) {
      return model.is_default && other.is_default && other.pipeline == model.pipeline;
    });
    if (same > 1) {
      throw std::runtime_error(fmt::format(
          "two models would be the default of pipeline {}, one is {}; only one manifest "
          "may say \"default\": true",
          model.pipeline, model.name));
    }
  }
}

const Model* ModelCatalogue::find(std::string_view name) const {
  const auto found = std::find_if(models_.begin(), models_.end(),
                                  [&](const Model& model) { return model.name == name; });
  return found == models_.end() ? nullptr : &*found;
}

const Model* ModelCatalogue::default_of(std::string_view pipeline) const {
  const Model* only = nullptr;
  int candidates = 0;
  for (const auto& model : models_) {
    if (model.pipeline != pipeline) {
      continue;
    }
    if (model.is_default) {
      return &model;
    }
    only = &model;
    ++candidates;
  }
  return candidates == 1 ? only : nullptr;
}

ModelCatalogue load_catalogue(const fs::path& folder, Hashes hashes) {
  std::vector<Model> models;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    try {
      models.push_back(read_manifest(entry.path(), hashes));
    } catch (const std::exception& cause) {
      throw std::runtime_error(fmt::format("the model manifest {} is not sound: {}",
                                           entry.path().string(), cause.what()));
    }
  }
  return ModelCatalogue{std::move(models)};
}

fs::path model_folder(const fs::path& configured) {
  return configured.empty()
             ? own_binary().parent_path().parent_path() / "share" / "infernode" / "models"
             : configured;
}

}  // namespace infernode::inference
