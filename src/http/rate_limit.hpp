#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace infernode::http {

// How many requests each key (a user, an address) may send, by the generic cell rate algorithm
// (ITU-T I.371): `quota` at once, and as many again in each minute after. A key costs some 100
// bytes until its quota is whole again; the memory for all of them is bounded. Counted by each
// server for itself.
class RateLimit {
public:
  using Clock = std::chrono::steady_clock;

  // `name`: of the policy, as clients read it. A `quota` of 0 counts nothing.
  RateLimit(std::string name, std::int64_t quota);

  struct Count {
    bool admitted = true;
    std::int64_t remaining = 0;      // requests that may follow at once
    std::int64_t reset_seconds = 0;  // until the quota is whole again, rounded up
    std::int64_t wait_seconds = 0;   // for the next one, of who was not admitted; rounded up
  };
  // Counts a request of `key`.
  Count take(const std::string& key, Clock::time_point now);

  bool on() const { return quota_ > 0; }
  std::int64_t quota() const { return quota_; }
  std::size_t keys() const { return whole_at_.size(); }
  // Items of the fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10).
  const std::string& policy_item() const { return policy_item_; }
  std::string count_item(const Count& count) const;

private:
  void make_room(Clock::time_point now);

  std::string name_;
  std::int64_t quota_;
  std::string policy_item_;
  std::unordered_map<std::string, Clock::time_point> whole_at_;  // when a key's quota is whole
  Clock::time_point swept_at_{};
};

}  // namespace infernode::http
