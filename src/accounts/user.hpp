#pragma once

#include <boost/json.hpp>
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
  Timestamp created_at;
  Timestamp updated_at;
};

}  // namespace infernode
