#pragma once

#include <cstdint>
#include <string>

#include "core/id.hpp"

namespace infernode {

// Something that changed for a user, as it was logged.
struct Event {
  std::int64_t id = 0;  // 1, 2, 3 ... per user, without holes
  std::string type;     // "job", "video", "upload", "dataset", "balance"
  std::string body;     // a JSON object
  std::string subject;  // its "id"; empty where it has none
};

// How far a job that runs has come.
struct RunningJob {
  UserId user;
  JobId id;
  std::int64_t done = 0;  // images
  std::int64_t total = 0;
};

}  // namespace infernode
