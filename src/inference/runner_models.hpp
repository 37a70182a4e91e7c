#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "inference/model.hpp"
#include "inference/onnx_session.hpp"

namespace infernode::inference {

// A model that is loaded; its hash is that of the file it was loaded from.
struct LoadedModel {
  Model model;
  std::unique_ptr<OnnxSession> session;
};

// What its manifest says is fed and read.
SessionNames session_names(const Model& model);

// A model whose file was read, and that nobody has looked into yet.
struct ModelFile {
  Model model;
  std::vector<std::byte> bytes;
};

// ONNX files, with the manifests beside them. Throws std::runtime_error.
std::vector<ModelFile> read_models(const std::vector<std::string>& files);

// What a runner has loaded.
class RunnerModels {
public:
  RunnerModels() = default;
  // Throws std::runtime_error.
  RunnerModels(std::vector<ModelFile> files, Device device);

  // Throws std::runtime_error when it was not loaded.
  const LoadedModel& at(const std::string& name) const;
  const std::map<std::string, LoadedModel>& all() const { return models_; }

private:
  std::map<std::string, LoadedModel> models_;
};

}  // namespace infernode::inference
