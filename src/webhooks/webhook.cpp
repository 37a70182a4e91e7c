#include "webhooks/webhook.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/digest.hpp"

namespace infernode {
namespace {

constexpr int kFirstDelay = 10;
constexpr int kMostDelay = 3600;
constexpr int kDoublings = 9;  // beyond kMostDelay

}  // namespace

std::string webhook_signature(const std::vector<std::string>& secrets, std::int64_t unix_seconds,
                              std::string_view body) {
  const std::string text = fmt::format("{}.{}", unix_seconds, body);
  std::string signature = fmt::format("t={}", unix_seconds);
  for (const auto& secret : secrets) {
    signature += ",v1=" + hex(hmac_sha256(secret, text));
  }
  return signature;
}

int webhook_delay(int attempts) {
  return std::min(kMostDelay, kFirstDelay << std::clamp(attempts - 1, 0, kDoublings));
}

}  // namespace infernode
