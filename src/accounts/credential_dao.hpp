#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "accounts/credential.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

// Statements on "Credentials", one a function. Hashes are those of secret_hash().
namespace infernode::credential_dao {

namespace asio = boost::asio;

struct NewCredential {
  UserId user;
  CredentialKind kind = CredentialKind::key;
  std::string hash;
  std::optional<std::string> name{};      // of a key
  std::vector<std::string> scopes{};      // likewise
  std::optional<Timestamp> expires_at{};  // of a key
  int life_seconds = 0;                   // of others
  std::optional<int> epoch{};             // the user's, where it must still be the same
};
// Keeps others from adding to the user's until the transaction ends.
void lock(db::Transaction& transaction, UserId user);
// nullopt when the user is gone, disabled or of another epoch, or, for a key, has `most_keys`
// already.
asio::awaitable<std::optional<ApiKey>> insert(db::Executor& executor, NewCredential credential,
                                              int most_keys);
// Those that are valid, in one round trip.
asio::awaitable<std::vector<Bearer>> find_bearers(db::Executor& executor,
                                                  std::vector<std::string> hashes);
// Keys, newest first.
asio::awaitable<std::vector<ApiKey>> list_keys(db::Executor& executor, UserId user,
                                               std::optional<Cursor> after, int limit);
// Whether there was such a key.
asio::awaitable<bool> remove_key(db::Executor& executor, UserId user, CredentialId id);
asio::awaitable<void> remove_session(db::Executor& executor, std::string hash);
// Whether there was a valid link of the user.
asio::awaitable<bool> take_link(db::Transaction& transaction, UserId user, std::string hash);
// Earlier links of a user.
void remove_links(db::Transaction& transaction, UserId user);
asio::awaitable<void> mark_used(db::Executor& executor, CredentialId id);
// Returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Executor& executor);

}  // namespace infernode::credential_dao
