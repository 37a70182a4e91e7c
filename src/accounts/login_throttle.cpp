#include "accounts/login_throttle.hpp"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>

#include "accounts/login_failure_dao.hpp"

namespace infernode {
namespace {

constexpr int kSweepBatch = 1000;

std::string account_subject(const std::string& account) {
  return "account:" + account;
}

std::string address_subject(const std::string& address) {
  return "address:" + throttled_address(address);
}

Error too_many(int seconds) {
  Error error{ErrorCode::too_many_requests,
              fmt::format("Too many failed logins; try again in {} seconds.", seconds)};
  error.retry_after = std::max(1, seconds);
  return error;
}

}  // namespace

std::string throttled_address(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error || parsed.is_v4()) {
    return address;
  }
  auto bytes = parsed.to_v6().to_bytes();
  if (parsed.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, parsed.to_v6()).to_string();
  }
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return asio::ip::address_v6{bytes}.to_string() + "/64";
}

asio::awaitable<Result<void>> LoginThrottle::enter(std::string account, std::string address) {
  const auto connection = co_await pool_.acquire();
  const auto by_address = co_await login_failure_dao::add(*connection, address_subject(address),
                                                          settings_.window_seconds);
  if (by_address.count > settings_.failures_per_address) {
    co_return too_many(by_address.seconds_left);
  }
  const auto by_account = co_await login_failure_dao::add(*connection, account_subject(account),
                                                          settings_.window_seconds);
  if (by_account.count > settings_.failures_per_account) {
    co_return too_many(by_account.seconds_left);
  }
  co_return Result<void>{};
}

asio::awaitable<void> LoginThrottle::succeeded(std::string account, std::string address) {
  const auto connection = co_await pool_.acquire();
  co_await login_failure_dao::remove(*connection, account_subject(account));
  co_await login_failure_dao::subtract(*connection, address_subject(address));
}

asio::awaitable<void> LoginThrottle::withdraw(std::string account, std::string address) {
  const auto connection = co_await pool_.acquire();
  co_await login_failure_dao::subtract(*connection, account_subject(account));
  co_await login_failure_dao::subtract(*connection, address_subject(address));
}

asio::awaitable<std::int64_t> LoginThrottle::sweep() {
  const auto connection = co_await pool_.acquire();
  co_return co_await login_failure_dao::delete_expired(*connection, kSweepBatch);
}

}  // namespace infernode
