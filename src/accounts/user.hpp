#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode {

enum class Role { user, admin };
template <>
struct Words<Role> {
  static constexpr std::pair<Role, std::string_view> all[]{{Role::user, "user"},
                                                           {Role::admin, "admin"}};
};

struct User {
  UserId id;
  std::string email;
  std::string password_hash;  // bcrypt
  Role role = Role::user;
  Tokens tokens;
  int session_epoch = 0;  // tokens of another epoch are no longer valid
  std::optional<Timestamp> disabled_at;
  Timestamp created_at;
  Timestamp updated_at;
  double weight = 1;                            // its share of the workers beside others'
  std::optional<int> max_running_segments{};    // none: the installation's
  std::optional<int> max_open_jobs{};           // likewise
  std::int64_t storage_used = 0;                // bytes
  std::optional<std::int64_t> storage_quota{};  // bytes; none: the installation's
};

// Of a new account, as the data model says.
constexpr Tokens kOpeningBalance = Tokens::from_thousandths(100'000);

// What an administrator can change of a user.
struct UserChange {
  std::optional<Role> role;
  std::optional<bool> disabled;
  std::optional<double> weight{};
  std::optional<std::optional<int>> max_running_segments{};
  std::optional<std::optional<int>> max_open_jobs{};
  std::optional<std::optional<std::int64_t>> storage_quota{};
};

}  // namespace infernode
