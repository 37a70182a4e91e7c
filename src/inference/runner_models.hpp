#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
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

// What a runner has loaded. It loads everything before it gives up its rights: afterwards it can
// read no file any more.
class RunnerModels {
public:
  // Loads those of `names` out of `folder`. Throws std::runtime_error.
  RunnerModels(const std::filesystem::path& folder, const std::vector<std::string>& names,
               Device device);

  // One model out of the bytes of its file, on the CPU. Throws std::runtime_error.
  RunnerModels(Model model, std::span<const std::byte> file);

  // Throws std::runtime_error when it was not loaded.
  const LoadedModel& at(const std::string& name) const;
  const std::map<std::string, LoadedModel>& all() const { return models_; }

private:
  std::map<std::string, LoadedModel> models_;
};

}  // namespace infernode::inference
