#pragma once

#include <string>

#include "core/digest.hpp"

namespace infernode {

// What a client sent along so that a repeated request acts once. `request` says what was asked for
// (SHA-256 of method, path and body).
struct IdempotencyKey {
  std::string key;
  Sha256Digest request{};
};

// A whole answer, as it is stored: HTTP status and JSON text.
struct Answer {
  int status = 0;
  std::string body;
};

}  // namespace infernode
