#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accounts/credential.hpp"
#include "accounts/user_reader.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

namespace infernode {

struct NewApiKey {
  std::string name;
  std::vector<std::string> scopes;
  std::optional<Timestamp> expires_at;
};
// What is shown once.
struct MadeApiKey {
  ApiKey key;
  std::string secret;
};
struct PasswordLink {
  std::string secret;
  Timestamp expires_at;
};

// API keys, sessions and password links. `database` must outlive it.
class CredentialService {
public:
  static constexpr int kMaxKeys = 100;  // of one user
  static constexpr int kLinkSeconds = 3 * 86'400;

  CredentialService(db::Pool& database, int session_seconds)
      : database_{database}, readers_{database}, session_seconds_{session_seconds} {}

  // invalid: it would have expired already. conflict: the user has kMaxKeys.
  asio::awaitable<Result<MadeApiKey>> make_key(db::Transaction& transaction, UserId user,
                                               NewApiKey key);
  asio::awaitable<std::vector<ApiKey>> list_keys(UserId user, PageRequest page);
  asio::awaitable<Result<void>> remove_key(UserId user, CredentialId id);

  // Returns the session's secret; nullopt when the user's password was changed since `user` was
  // read, or the user is disabled.
  asio::awaitable<std::optional<std::string>> begin_session(const User& user);
  asio::awaitable<void> end_session(std::string secret);
  int session_seconds() const { return session_seconds_; }

  // Earlier links of the user end.
  asio::awaitable<PasswordLink> make_link(db::Transaction& transaction, UserId user);
  // Whether it is a valid link of the user; it works no second time once the transaction is
  // committed.
  asio::awaitable<bool> take_link(db::Transaction& transaction, UserId user, std::string secret);

  // Whoever has this secret of this kind; null when it is not valid (any more). What many ask for
  // at once is read together.
  asio::awaitable<std::shared_ptr<const Bearer>> find(std::string secret, CredentialKind kind);

  // Deletes sessions and links that have expired; returns how many.
  asio::awaitable<std::int64_t> sweep();

private:
  db::Pool& database_;
  UserReader readers_;
  int session_seconds_;
};

}  // namespace infernode
