#include "inference/runner_models.hpp"

#include <stdexcept>

#include "core/digest.hpp"
#include "inference/model_catalogue.hpp"

namespace infernode::inference {

SessionNames session_names(const Model& model) {
  return {model.input.name, model.input.size_name, model.outputs};
}

RunnerModels::RunnerModels(const std::filesystem::path& folder,
                           const std::vector<std::string>& names, Device device) {
  if (names.empty()) {
    return;
  }
  const auto catalogue = load_catalogue(folder, Hashes::no);
  for (const auto& name : names) {
    const auto* found = catalogue.find(name);
    if (found == nullptr) {
      throw std::runtime_error("there is no model " + name);
    }
    LoadedModel loaded{*found, nullptr};
    loaded.model.sha256 = sha256_of_file(loaded.model.file);
    // One thread a frame, and several frames at once: faster than several threads on one frame, and
    // the same input gives the same bits whatever the number of threads.
    loaded.session =
        std::make_unique<OnnxSession>(loaded.model.file, session_names(loaded.model), 1, device);
    models_.emplace(name, std::move(loaded));
  }
}

RunnerModels::RunnerModels(Model model, std::span<const std::byte> file) {
  LoadedModel loaded{std::move(model), nullptr};
  loaded.session = std::make_unique<OnnxSession>(file, session_names(loaded.model), 1, Device::cpu);
  const std::string name = loaded.model.name;
  models_.emplace(name, std::move(loaded));
}

const LoadedModel& RunnerModels::at(const std::string& name) const {
  const auto found = models_.find(name);
  if (found == models_.end()) {
    throw std::runtime_error("this runner has not loaded the model " + name);
  }
  return found->second;
}

}  // namespace infernode::inference
