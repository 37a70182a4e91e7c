#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/words.hpp"

namespace infernode {

enum class DeliveryStatus { pending, delivered, failed };
template <>
struct Words<DeliveryStatus> {
  static constexpr std::pair<DeliveryStatus, std::string_view> all[]{
      {DeliveryStatus::pending, "PENDING"},
      {DeliveryStatus::delivered, "DELIVERED"},
      {DeliveryStatus::failed, "FAILED"}};
};

// The call of a user's server about the end of a job.
struct Delivery {
  DeliveryId id;
  JobId job;
  std::string url;
  DeliveryStatus status = DeliveryStatus::pending;
  int attempts = 0;
  std::optional<int> answer;         // the status of the last answer
  std::optional<std::string> error;  // of the last attempt
  Timestamp created_at;
  Timestamp next_attempt_at;  // while pending
  std::optional<Timestamp> delivered_at;
};

// One that a server has claimed.
struct ClaimedDelivery {
  DeliveryId id;
  UserId user;
  JobId job;
  std::string url;
  int attempts = 0;  // this one included
  int fence = 0;
};

// What an attempt came to.
struct Sent {
  std::optional<int> answer;         // HTTP status
  std::optional<std::string> error;  // none: it was delivered
};

// One "v1=" a secret, over "t.body": "t=1700000000,v1=5257a8...".
std::string webhook_signature(const std::vector<std::string>& secrets, std::int64_t unix_seconds,
                              std::string_view body);

// How long after its n-th attempt (1, 2, ...) the next one comes, in seconds: 10, 20, 40 ..., an
// hour at most.
int webhook_delay(int attempts);

}  // namespace infernode
