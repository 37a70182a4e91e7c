#include "inference/runner_models.hpp"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

#include "core/digest.hpp"
#include "inference/manifest.hpp"
#include "inference/model_catalogue.hpp"

namespace infernode::inference {
namespace {

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::vector<std::byte> bytes(error ? 0 : size);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (error || !in) {
    throw std::runtime_error(fmt::format("the model {} cannot be read", path.string()));
  }
  return bytes;
}

}  // namespace

SessionNames session_names(const Model& model) {
  return {model.input.name, model.input.size_name, model.outputs};
}

std::vector<ModelFile> read_models(const std::vector<std::string>& files) {
  std::vector<ModelFile> read;
  for (const auto& file : files) {
    const auto text = read_file(manifest_beside(file));
    auto model =
        read_manifest(std::string_view{reinterpret_cast<const char*>(text.data()), text.size()});
    if (!model) {
      throw std::runtime_error(model.error().detail);
    }
    read.push_back({std::move(*model), read_file(file)});
  }
  return read;
}

RunnerModels::RunnerModels(std::vector<ModelFile> files, Device device) {
  for (auto& file : files) {
    Sha256 sha;
    sha.update(file.bytes);
    LoadedModel loaded{std::move(file.model), nullptr};
    loaded.model.sha256 = hex(sha.finish());
    // One thread a frame, and several frames at once: faster than several threads on one frame, and
    // the same input gives the same bits whatever the number of threads.
    loaded.session =
        std::make_unique<OnnxSession>(file.bytes, session_names(loaded.model), 1, device);
    file.bytes = {};
    const std::string name = loaded.model.name;
    models_.emplace(name, std::move(loaded));
  }
}

const LoadedModel& RunnerModels::at(const std::string& name) const {
  const auto found = models_.find(name);
  if (found == models_.end()) {
    throw std::runtime_error("this runner has not loaded the model " + name);
  }
  return found->second;
}

}  // namespace infernode::inference
