#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"

namespace infernode {

struct Dataset {
  DatasetId id;
  std::string name;
  std::vector<std::string> tags;
  std::optional<Timestamp> deleted_at;
  Timestamp created_at;
  Timestamp updated_at;
};

struct Tag {
  TagId id;
  std::string name;
  std::int64_t datasets = 0;  // the caller's live ones that bear it
  Timestamp created_at{};
};

struct DatasetFilter {
  std::vector<std::string> tags;    // all of them must be present
  std::optional<std::string> name;  // a part of it, in any case
  bool deleted = false;
};

}  // namespace infernode
