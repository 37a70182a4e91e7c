#pragma once

#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"

namespace infernode {

struct User {
  UserId id;
  std::string email;
  std::string password_hash;  // bcrypt
  std::string role;           // "user" or "admin"
  Tokens tokens;
  int session_epoch = 0;  // tokens of another epoch are no longer valid
  std::optional<Timestamp> disabled_at;
  Timestamp created_at;
  Timestamp updated_at;
};

// What an administrator can change of a user.
struct UserChange {
  std::optional<std::string> role;
  std::optional<bool> disabled;
};

}  // namespace infernode
