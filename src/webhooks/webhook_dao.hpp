#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/page.hpp"
#include "db/pool.hpp"
#include "webhooks/webhook.hpp"

// Statements on "WebhookSecrets" and "WebhookDeliveries". Deliveries are added by a trigger: see
// the migration.
namespace infernode::webhook_dao {

namespace asio = boost::asio;

// A user's secret as its owner sees it.
struct SecretState {
  std::optional<std::string> secret;  // only when it had not been shown yet
  Timestamp created_at;
  std::optional<Timestamp> former_until;
};
// Adds `fresh` where the user had none. To who `may_see` it, it is shown, and marked as that.
asio::awaitable<SecretState> show_secret(db::Executor& executor, UserId user, std::string fresh,
                                         bool may_see);
// In the caller's transaction: from now on `fresh` is the user's; the one until now is valid
// `former_seconds` longer.
asio::awaitable<SecretState> replace_secret(db::Transaction& transaction, UserId user,
                                            std::string fresh, int former_seconds);
// Those that are valid, the user's own first; adds `fresh` where the user had none. None when there
// is no such user.
asio::awaitable<std::vector<std::string>> find_secrets(db::Executor& executor, UserId user,
                                                       std::string fresh);

// What a server has under way already.
struct UnderWay {
  std::vector<UserId> users;
  std::vector<int> counts;
};
// Claims up to `limit` that are due, `of_user` at most of each user, those under way included.
// They are due again after `lease_seconds`.
asio::awaitable<std::vector<ClaimedDelivery>> claim(db::Executor& executor, int limit, int of_user,
                                                    UnderWay under_way, int lease_seconds);
// Notes what an attempt came to. After a failed one the next comes in `delay_seconds`, unless that
// is `most_seconds` or more after the first. False: somebody else has claimed it since.
asio::awaitable<bool> finish(db::Executor& executor, ClaimedDelivery delivery, Sent sent,
                             int delay_seconds, int most_seconds);
asio::awaitable<std::vector<Delivery>> list(db::Executor& executor, UserId user,
                                            std::optional<JobId> job,
                                            std::optional<DeliveryStatus> status, PageRequest page);
// Begins anew. nullopt: the user has none of this id.
asio::awaitable<std::optional<Delivery>> resend(db::Executor& executor, UserId user, DeliveryId id);

}  // namespace infernode::webhook_dao
