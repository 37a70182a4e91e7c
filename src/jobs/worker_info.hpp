#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.hpp"
#include "core/tokens.hpp"
#include "pipelines/pipeline.hpp"

namespace infernode {

using WorkerId = Id<struct WorkerTag>;

// What a worker has done since it began.
struct WorkerTotals {
  std::map<std::string, std::int64_t> images{};  // processed, by model
  std::int64_t segments = 0;                     // finished
  std::int64_t retries = 0;                      // segments whose attempt failed
  double joules = 0;
  Tokens settled{};
};
std::string totals_json(const WorkerTotals& totals);
// What totals_json() wrote, or an older version's, which may have fewer members.
WorkerTotals totals_from_json(std::string_view text);

// A pipeline whose params are of a revision (see params_revision()), as workers offer it.
inline std::string offer_of(const std::string& pipeline, int revision) {
  return "pipeline:" + pipeline + (revision == 1 ? "" : "@" + std::to_string(revision));
}

// A worker, and what it can work on.
struct WorkerInfo {
  WorkerId id;
  std::string name;  // "host:pid:1"
  std::string host;
  std::string version;
  std::vector<std::string> devices;    // "cpu", "cuda"
  std::vector<std::string> models;     // see inference::versioned_name()
  std::vector<std::string> pipelines;  // by name
  WorkerTotals totals{};

  // What segments may need of a worker, in the words of needs_of().
  std::vector<std::string> offers() const {
    std::vector<std::string> all;
    for (const auto& device : devices) {
      all.push_back("device:" + device);
    }
    for (const auto& pipeline : pipelines) {
      for (int revision = 1; revision <= kParamsRevision; ++revision) {
        all.push_back(offer_of(pipeline, revision));
      }
    }
    for (const auto& model : models) {
      all.push_back("model:" + model);
      // What servers from before models had revisions accepted needs no particular one.
      if (const auto at = model.find('@'); at != std::string::npos) {
        all.push_back("model:" + model.substr(0, at));
      }
    }
    return all;
  }
};

// How long after its last heartbeat a worker is taken for gone.
constexpr int kWorkerSilenceSeconds = 30;

}  // namespace infernode
