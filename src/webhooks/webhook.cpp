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

std::string webhook_signature(const WebhookSecrets& secrets, std::int64_t unix_seconds,
                              std::string_view body) {
  const std::string text = fmt::format("{}.{}", unix_seconds, body);
  std::string signature =
      fmt::format("t={},v1={}", unix_seconds, hex(hmac_sha256(secrets.secret, text)));
  if (secrets.former) {
    signature += ",v1=" + hex(hmac_sha256(*secrets.former, text));
  }
  return signature;
}

int webhook_delay(int attempts) {
  return std::min(kMostDelay, kFirstDelay << std::clamp(attempts - 1, 0, kDoublings));
}

}  // namespace infernode
