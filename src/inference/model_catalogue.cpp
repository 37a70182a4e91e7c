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

Model read_manifest(const fs::path& manifest) {
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
  model.description = string_at("/description");
  model.source = string_at("/source");
  model.license = string_at("/license");
  model.decoder = string_at("/decoder");
  model.input_name = string_at("/input/name");
  model.input_width = number_at("/input/width");
  model.input_height = number_at("/input/height");
  model.output_name = string_at("/output/name");
  model.output_rows = number_at("/output/rows");
  model.labels = boost::json::value_to<std::vector<std::string>>(value.at("labels"));
  if (model.decoder != "top_k_boxes" || string_at("/input/resize") != "stretch") {
    throw std::runtime_error("unknown decoder or resize");
  }
  model.file = fs::path{manifest}.replace_extension(".onnx");
  model.sha256 = sha256_of_file(model.file);
  return model;
}

}  // namespace

std::vector<Model> load_catalogue(const fs::path& folder) {
  std::vector<Model> models;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    try {
      models.push_back(read_manifest(entry.path()));
    } catch (const std::exception& cause) {
      throw std::runtime_error(fmt::format("the model manifest {} is not sound: {}",
                                           entry.path().string(), cause.what()));
    }
  }
  std::sort(models.begin(), models.end(),
            [](const Model& a, const Model& b) { return a.name < b.name; });
  return models;
}

fs::path model_folder(const fs::path& configured) {
  return configured.empty()
             ? own_binary().parent_path().parent_path() / "share" / "infernode" / "models"
             : configured;
}

}  // namespace infernode::inference
