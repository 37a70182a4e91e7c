#include "accounts/login_throttle.hpp"

#include <fmt/format.h>

#include "accounts/login_failure_dao.hpp"
#include "core/address_set.hpp"

namespace infernode {
namespace {

constexpr int kSweepBatch = 1000;
constexpr int kAddressesPerAccount = 10;

using login_failure_dao::Attempts;
using login_failure_dao::Subject;

// What the attempts of an account from an address are counted for.
struct Subjects {
  std::string pair;
  std::string account;
  std::string address;

  Subjects(const std::string& of, const std::string& from)
      : pair{"pair:" + from + ":" + of}, account{"account:" + of}, address{"address:" + from} {}
  std::vector<std::string> all() const { return {pair, account, address}; }
};

Error too_many(int seconds) {
  Error error{ErrorCode::too_many_requests,
              fmt::format("Too many attempts; try again in {} seconds.", seconds)};
  error.retry_after = seconds;
  return error;
}

// Seconds to wait when there are more attempts than the subject may have; 0 when there are not.
int wait_for(const std::vector<Attempts>& all, const Subject& subject) {
  for (const auto& attempts : all) {
    if (attempts.subject == subject.name && attempts.failures >= subject.limit) {
      return std::max(1, attempts.seconds_left);
    }
    if (attempts.subject == subject.name && attempts.failures + attempts.pending > subject.limit) {
      return 1;
    }
  }
  return 0;
}

}  // namespace

asio::awaitable<Result<void>> LoginThrottle::begin(std::string account, std::string address) {
  const Subjects subjects{account, counted_address(address)};
  std::vector<Subject> limited{
      {subjects.pair, settings_.failures_per_account},
      {subjects.account, settings_.failures_per_account * kAddressesPerAccount},
      {subjects.address, settings_.failures_per_address}};
  const auto list = co_await login_failure_dao::begin(database_, limited, settings_.window_seconds);
  int wait = 0;
  for (const auto& subject : limited) {
    wait = std::max(wait, wait_for(list, subject));
  }
  if (wait == 0) {
    co_return Result<void>{};
  }
  if (list.front().begun) {
    co_await login_failure_dao::end(database_, subjects.all(), false);
  }
  co_return too_many(wait);
}

asio::awaitable<void> LoginThrottle::end(std::string account, std::string address,
                                         Outcome outcome) {
  const Subjects subjects{account, counted_address(address)};
  co_await login_failure_dao::end(database_, subjects.all(), outcome == Outcome::wrong);
  if (outcome == Outcome::right) {
    std::vector<std::string> own{subjects.pair, subjects.account};
    co_await login_failure_dao::forgive(database_, std::move(own));
  }
}

asio::awaitable<Result<void>> LoginThrottle::count_registration(std::string address) {
  std::vector<Subject> limited{
      {"register:" + counted_address(address), settings_.registrations_per_address}};
  const auto list =
      co_await login_failure_dao::begin(database_, std::move(limited), settings_.window_seconds);
  const auto& attempts = list.front();
  if (attempts.pending > settings_.registrations_per_address) {
    co_return too_many(std::max(1, attempts.seconds_left));
  }
  co_return Result<void>{};
}

asio::awaitable<std::int64_t> LoginThrottle::sweep() {
  std::int64_t total = 0;
  for (;;) {
    const std::int64_t deleted = co_await login_failure_dao::delete_expired(database_, kSweepBatch);
    total += deleted;
    if (deleted < kSweepBatch) {
      co_return total;
    }
  }
}

}  // namespace infernode
