#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inference/model.hpp"

namespace infernode::inference {

// The models that an installation has, by name. A copy is cheap, and stays as it was when it was
// made.
class ModelCatalogue {
public:
  ModelCatalogue() = default;
  // `defaults`: models by pipeline, instead of what manifests say. Throws std::runtime_error when
  // two manifests would be the default of one pipeline.
  explicit ModelCatalogue(std::vector<Model> models,
                          std::map<std::string, std::string> defaults = {});

  bool empty() const { return models_->empty(); }
  const std::vector<Model>& models() const { return *models_; }
  // nullptr when there is none of that name.
  const Model* find(std::string_view name) const;
  // The one that the pipeline takes when no model is named: the one that was chosen, else the one
  // whose manifest says so, or the only one of the folder. nullptr when there is none, or none can
  // be told from the others.
  const Model* default_of(std::string_view pipeline) const;

  // Models of the folder that the pipeline can take for what this decoder does, by name.
  std::vector<std::string> usual_with(std::string_view pipeline, DecoderKind decoder) const;

private:
  std::shared_ptr<const std::vector<Model>> models_ = std::make_shared<std::vector<Model>>();
  std::map<std::string, std::string> defaults_;
};

// The models of a folder. With `hashes` each ONNX file is read once to hash it. Throws
// std::runtime_error that names the file at fault.
enum class Hashes { no, yes };
ModelCatalogue load_catalogue(const std::filesystem::path& folder, Hashes hashes = Hashes::yes,
                              std::map<std::string, std::string> defaults = {});

// `configured` if not empty, else share/infernode/models beside the folder of the running binary.
std::filesystem::path model_folder(const std::filesystem::path& configured);

// The manifest of a model's file: of the same name, JSON or YAML. Throws std::runtime_error when
// there is none.
std::filesystem::path manifest_beside(const std::filesystem::path& model_file);

}  // namespace infernode::inference
