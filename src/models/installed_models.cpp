#include "models/installed_models.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/log.hpp"
#include "inference/manifest.hpp"

namespace infernode {

InstalledModels::InstalledModels(ModelService& models, ModelCache& cache,
                                 const inference::ModelCatalogue& shipped,
                                 std::map<std::string, std::string> defaults,
                                 inference::ModelCatalogue& all, std::function<void()> changed)
    : models_{models},
      cache_{cache},
      shipped_{shipped},
      defaults_{std::move(defaults)},
      all_{all},
      changed_{std::move(changed)} {}

asio::awaitable<void> InstalledModels::read() {
  const int number = ++reads_;
  auto added = co_await models_.list();
  if (number < applied_) {
    co_return;  // one that began later has answered already
  }
  applied_ = number;
  added_ = std::move(added);
  // A model that is removed and added again is brought again: its files may be gone meanwhile.
  const auto is_gone = [this](const auto& entry) {
    return std::none_of(added_.begin(), added_.end(), [&](const StoredModel& model) {
      return revision_of(model) == entry.first;
    });
  };
  std::erase_if(files_, is_gone);
  std::erase_if(next_try_, is_gone);
  apply();
}

asio::awaitable<void> InstalledModels::fetch() {
  const auto wanted = added_;
  for (const auto& model : wanted) {
    const auto revision = revision_of(model);
    if (const auto known = files_.find(revision); known != files_.end()) {
      const bool there = co_await cache_.is_there(known->second);
      if (there) {
        continue;
      }
      files_.erase(revision);
      apply();  // so that no job is taken for it until it is back
    }
    const auto now = std::chrono::steady_clock::now();
    if (const auto next = next_try_.find(revision); next != next_try_.end() && now < next->second) {
      continue;
    }
    try {
      files_[revision] = co_await cache_.bring(model);
      next_try_.erase(revision);
    } catch (const Unavailable&) {
      throw;
    } catch (const std::exception& error) {
      log::warn("the model {} cannot be used on this machine: {}", model.name, error.what());
      files_.erase(revision);
      next_try_[revision] = now + kNextTry;
    }
    apply();
  }
  co_await cache_.keep_only(wanted);
}

void InstalledModels::apply() {
  auto all = shipped_.models();
  std::vector<std::string> known;
  for (const auto& each : added_) {
    auto model = inference::read_manifest(each.manifest);
    if (!model || shipped_.find(each.name) != nullptr) {
      known.push_back(each.name);
      continue;
    }
    model->is_default = false;  // what is usual is for whoever runs the installation to say
    model->sha256 = each.sha256;
    model->file_bytes = each.file_bytes;
    model->revision = revision_of(each);
    if (const auto file = files_.find(model->revision); file != files_.end()) {
      model->file = file->second;
    }
    known.push_back(fmt::format("{} {}", inference::versioned_name(*model), model->file.string()));
    all.push_back(std::move(*model));
  }
  if (known == known_) {
    return;
  }
  known_ = std::move(known);
  all_ = inference::ModelCatalogue{std::move(all), defaults_};
  changed_();
}

}  // namespace infernode
