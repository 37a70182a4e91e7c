#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/id.hpp"

namespace infernode {

// Something that an administrator does.
struct AuditedAct {
  std::optional<UserId> admin;   // nullopt: somebody at a server's command line
  std::string action;            // "user.update", "user.create", "tag.create", "tag.delete"
  std::optional<UserId> user{};  // whom it concerns
  boost::json::object details{};
};

struct AuditEntry {
  boost::uuids::uuid id{};
  AuditedAct act;
  Timestamp created_at;
};

}  // namespace infernode
