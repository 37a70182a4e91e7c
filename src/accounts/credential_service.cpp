#include "accounts/credential_service.hpp"

#include <fmt/format.h>

#include "accounts/credential_dao.hpp"
#include "core/log.hpp"

namespace infernode {

using credential_dao::NewCredential;

asio::awaitable<Result<MadeApiKey>> CredentialService::make_key(db::Transaction& transaction,
                                                                UserId user, NewApiKey key) {
  if (key.expires_at && *key.expires_at <= now()) {
    co_return invalid("/expires_at", "A key expires in the future, or never.");
  }
  MadeApiKey made;
  made.secret = make_secret(CredentialKind::key);
  NewCredential credential{.user = user,
                           .kind = CredentialKind::key,
                           .hash = secret_hash(made.secret),
                           .name = std::move(key.name),
                           .scopes = std::move(key.scopes),
                           .expires_at = key.expires_at};
  credential_dao::lock(transaction, user);
  auto inserted = co_await credential_dao::insert(transaction, std::move(credential), kMaxKeys);
  if (!inserted) {
    co_return Error{
        ErrorCode::conflict,
        fmt::format("You have {} API keys, and may have no more; delete one first.", kMaxKeys)};
  }
  made.key = std::move(*inserted);
  co_return made;
}

asio::awaitable<std::vector<ApiKey>> CredentialService::list_keys(UserId user, PageRequest page) {
  co_return co_await credential_dao::list_keys(database_, user, page.after, page.limit + 1);
}

asio::awaitable<Result<void>> CredentialService::remove_key(UserId user, CredentialId id) {
  const bool removed = co_await credential_dao::remove_key(database_, user, id);
  if (!removed) {
    co_return Error{ErrorCode::not_found, "There is no such API key."};
  }
  co_return Result<void>{};
}

asio::awaitable<std::optional<std::string>> CredentialService::begin_session(const User& user) {
  std::string secret = make_secret(CredentialKind::session);
  NewCredential credential{.user = user.id,
                           .kind = CredentialKind::session,
                           .hash = secret_hash(secret),
                           .life_seconds = session_seconds_,
                           .epoch = user.session_epoch};
  const auto inserted = co_await credential_dao::insert(database_, std::move(credential), 0);
  if (!inserted) {
    co_return std::nullopt;
  }
  co_return secret;
}

asio::awaitable<void> CredentialService::end_session(std::string secret) {
  co_await credential_dao::remove_session(database_, secret_hash(secret));
}

asio::awaitable<PasswordLink> CredentialService::make_link(db::Transaction& transaction,
                                                           UserId user) {
  PasswordLink link;
  link.secret = make_secret(CredentialKind::link);
  NewCredential credential{.user = user,
                           .kind = CredentialKind::link,
                           .hash = secret_hash(link.secret),
                           .life_seconds = kLinkSeconds};
  credential_dao::lock(transaction, user);
  credential_dao::remove_links(transaction, user);
  const auto inserted = co_await credential_dao::insert(transaction, std::move(credential), 0);
  link.expires_at = inserted.value().expires_at.value();
  co_return link;
}

asio::awaitable<bool> CredentialService::take_link(db::Transaction& transaction, UserId user,
                                                   std::string secret) {
  credential_dao::lock(transaction, user);
  co_return co_await credential_dao::take_link(transaction, user, secret_hash(secret));
}

asio::awaitable<std::shared_ptr<const Bearer>> CredentialService::find(std::string secret,
                                                                       CredentialKind kind) {
  if (kind_of_secret(secret) != kind) {
    co_return nullptr;
  }
  auto bearer = co_await readers_.find_bearer(secret_hash(secret));
  if (!bearer || bearer->kind != kind) {
    co_return nullptr;
  }
  if (bearer->use_is_stale) {
    try {
      co_await credential_dao::mark_used(database_, bearer->id);
    } catch (const std::exception& error) {
      log::debug("an API key's last use could not be written down: {}", error.what());
    }
  }
  co_return bearer;
}

asio::awaitable<std::int64_t> CredentialService::sweep() {
  return credential_dao::delete_expired(database_);
}

}  // namespace infernode
