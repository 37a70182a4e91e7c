#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"
#include "webhooks/webhook.hpp"

namespace infernode {

namespace asio = boost::asio;

// What is sent.
struct WebhookCall {
  DeliveryId id;
  UserId user;
  std::string url;
  std::string body;       // JSON
  std::string signature;  // see webhook_signature()
};
// Sends it, within kWebhookPatience; failures come back, not as exceptions.
using SendWebhook = std::function<asio::awaitable<Sent>(WebhookCall call)>;
inline constexpr std::chrono::seconds kWebhookPatience{15};
// A job as JSON; nullopt when it is gone.
using DescribeJob = std::function<asio::awaitable<std::optional<std::string>>(JobId job)>;

// Tells users' own servers of the ends of jobs, at least once each: any number of processes share
// the deliveries.
class WebhookService {
public:
  // `database` must outlive it; `executor` runs on one thread.
  WebhookService(asio::any_io_executor executor, db::Pool& database, DescribeJob describe,
                 SendWebhook send);

  struct SecretState {
    std::optional<std::string> secret;  // shown once
    Timestamp created_at;
    std::optional<Timestamp> former_until;  // the one before signs too until then
  };
  // Makes one where the user has none. Without `may_see`, which a key is not, it is not shown.
  asio::awaitable<SecretState> show_secret(UserId user, bool may_see);
  // In the caller's transaction: a new one; the one before is valid for a day.
  asio::awaitable<SecretState> replace_secret(db::Transaction& transaction, UserId user);
  asio::awaitable<std::vector<Delivery>> list(UserId user, std::optional<JobId> job,
                                              std::optional<DeliveryStatus> status,
                                              PageRequest page);
  // Has a delivery sent again, as if its job had ended now. not_found for one of somebody else's.
  asio::awaitable<Result<Delivery>> resend(UserId user, DeliveryId id);

  // Sends what is due, for ever.
  asio::awaitable<void> deliver();
  // Claims what is due and begins to send it; returns how many.
  asio::awaitable<int> begin_due();
  int under_way() const;

private:
  struct UnderWay {
    explicit UnderWay(const asio::any_io_executor& executor) : next_look{executor} {}
    asio::steady_timer next_look;
    std::map<UserId, int> of_user;
    int all = 0;
  };
  asio::awaitable<void> attempt(ClaimedDelivery delivery);
  asio::awaitable<Sent> send(ClaimedDelivery delivery);

  asio::any_io_executor executor_;
  db::Pool& database_;
  DescribeJob describe_;
  SendWebhook send_;
  std::shared_ptr<UnderWay> under_way_;
};

}  // namespace infernode
