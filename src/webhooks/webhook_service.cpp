#include "webhooks/webhook_service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/digest.hpp"
#include "core/log.hpp"
#include "webhooks/webhook_dao.hpp"

namespace infernode {
namespace {

// Of one process, and of one user in it.
constexpr int kMostUnderWay = 32;
constexpr int kMostOfUser = 4;
// Longer than an attempt, its lookup included, takes; then another server has it.
constexpr int kLeaseSeconds = 90;
constexpr int kDaySeconds = 86'400;
constexpr std::chrono::milliseconds kLookInterval{500};

std::string fresh_secret() {
  return random_secret("inw_");
}

}  // namespace

WebhookService::WebhookService(asio::any_io_executor executor, db::Pool& database,
                               DescribeJob describe, SendWebhook send)
    : executor_{std::move(executor)},
      database_{database},
      describe_{std::move(describe)},
      send_{std::move(send)},
      under_way_{std::make_shared<UnderWay>(executor_)} {}

asio::awaitable<WebhookService::SecretState> WebhookService::show_secret(UserId user,
                                                                         bool may_see) {
  auto fresh = fresh_secret();
  auto state = co_await webhook_dao::show_secret(database_, user, std::move(fresh), may_see);
  co_return SecretState{std::move(state.secret), state.created_at, state.former_until};
}

asio::awaitable<WebhookService::SecretState> WebhookService::replace_secret(
    db::Transaction& transaction, UserId user) {
  auto fresh = fresh_secret();
  auto state =
      co_await webhook_dao::replace_secret(transaction, user, std::move(fresh), kDaySeconds);
  co_return SecretState{std::move(state.secret), state.created_at, state.former_until};
}

asio::awaitable<std::vector<Delivery>> WebhookService::list(UserId user, std::optional<JobId> job,
                                                            std::optional<DeliveryStatus> status,
                                                            PageRequest page) {
  co_return co_await webhook_dao::list(database_, user, job, status, page);
}

asio::awaitable<Result<Delivery>> WebhookService::resend(UserId user, DeliveryId id) {
  auto delivery = co_await webhook_dao::resend(database_, user, id);
  if (!delivery) {
    co_return Error{ErrorCode::not_found, "There is no such delivery."};
  }
  co_return std::move(*delivery);
}

int WebhookService::under_way() const {
  return under_way_->all;
}

asio::awaitable<void> WebhookService::deliver() {
  for (;;) {
    // Before it looks: what ends meanwhile has it look again.
    under_way_->next_look.expires_after(kLookInterval);
    co_await begin_due();
    boost::system::error_code ended;
    co_await under_way_->next_look.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  }
}

asio::awaitable<int> WebhookService::begin_due() {
  const int room = kMostUnderWay - under_way_->all;
  if (room == 0) {
    co_return 0;
  }
  webhook_dao::UnderWay busy;
  for (const auto& [user, count] : under_way_->of_user) {
    busy.users.push_back(user);
    busy.counts.push_back(count);
  }
  auto claimed =
      co_await webhook_dao::claim(database_, room, kMostOfUser, std::move(busy), kLeaseSeconds);
  for (auto& delivery : claimed) {
    const auto user = delivery.user;
    ++under_way_->all;
    ++under_way_->of_user[user];
    asio::co_spawn(executor_, attempt(std::move(delivery)),
                   [under_way = under_way_, user](const std::exception_ptr& /*logged*/) {
                     --under_way->all;
                     if (const auto found = under_way->of_user.find(user); --found->second == 0) {
                       under_way->of_user.erase(found);
                     }
                     // Also when nobody waits for it at the moment.
                     under_way->next_look.expires_at(std::chrono::steady_clock::time_point::min());
                   });
  }
  co_return static_cast<int>(claimed.size());
}

asio::awaitable<void> WebhookService::attempt(ClaimedDelivery delivery) {
  try {
    auto sent = co_await send(delivery);
    const int delay = webhook_delay(delivery.attempts);
    const bool noted =
        co_await webhook_dao::finish(database_, delivery, std::move(sent), delay, kDaySeconds);
    if (!noted) {
      log::debug("webhook {} was sent again or deleted meanwhile", delivery.id.to_string());
    }
  } catch (const std::exception& error) {
    log::warn("webhook {} is sent again in {} s: {}", delivery.id.to_string(), kLeaseSeconds,
              error.what());
  }
}

asio::awaitable<Sent> WebhookService::send(ClaimedDelivery delivery) {
  auto body = co_await describe_(delivery.job);
  auto fresh = fresh_secret();
  const auto secrets =
      co_await webhook_dao::find_secrets(database_, delivery.user, std::move(fresh));
  if (!body || secrets.empty()) {
    co_return Sent{std::nullopt, "The job is gone."};  // and the delivery with it
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch());
  WebhookCall call{delivery.id, delivery.user, delivery.url, std::move(*body), ""};
  call.signature = webhook_signature(secrets, seconds.count(), call.body);
  try {
    co_return co_await send_(std::move(call));
  } catch (const std::exception& error) {
    log::warn("webhook {}: {}", delivery.id.to_string(), error.what());
  }
  co_return Sent{std::nullopt, "The server could not send it."};
}

}  // namespace infernode
