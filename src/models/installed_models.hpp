#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "inference/model_catalogue.hpp"
#include "models/model_cache.hpp"
#include "models/model_service.hpp"

namespace infernode {

// Keeps a catalogue of all models: those of the folder, and those that were added, as the database
// has them. All of it must outlive it.
class InstalledModels {
public:
  // `all` is what is kept up to date; `changed` is called when it was. `defaults`: see
  // ModelCatalogue.
  InstalledModels(ModelService& models, ModelCache& cache, const inference::ModelCatalogue& shipped,
                  std::map<std::string, std::string> defaults, inference::ModelCatalogue& all,
                  std::function<void()> changed);

  // Reads which were added. Those whose files are not here yet have none.
  asio::awaitable<void> read();
  // Brings the files that are not here yet, and deletes those of models that are gone. One at a
  // time.
  asio::awaitable<void> fetch();

private:
  static constexpr std::chrono::minutes kNextTry{10};

  void apply();

  ModelService& models_;
  ModelCache& cache_;
  const inference::ModelCatalogue& shipped_;
  std::map<std::string, std::string> defaults_;
  inference::ModelCatalogue& all_;
  std::function<void()> changed_;
  int reads_ = 0;
  int applied_ = 0;  // the read whose answer is known
  std::vector<StoredModel> added_;
  std::map<std::string, std::filesystem::path> files_;  // by revision
  std::map<std::string, std::chrono::steady_clock::time_point> next_try_;
  std::vector<std::string> known_;  // what tells whether something changed
};

}  // namespace infernode
