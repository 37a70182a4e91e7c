#pragma once

#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"

namespace infernode {

// One change of a balance.
struct LedgerEntry {
  boost::uuids::uuid id{};
  std::string kind;  // "opening", "recharge", "upload", "job", "refund"
  Tokens amount;     // signed
  Tokens balance_after;
  std::optional<JobId> job;
  std::optional<VideoId> video;
  std::optional<std::string> note;
  Timestamp created_at;
};

// A change to be made.
struct LedgerChange {
  UserId user;
  std::string kind;
  Tokens amount;  // positive; charge() and refund() give the sign
  std::optional<JobId> job{};
  std::optional<VideoId> video{};
  std::optional<std::string> note{};
};

// What things cost (shared by every job and upload of this installation).
struct PriceList {
  Tokens upload_per_frame = Tokens::from_thousandths(1);
  Tokens inference_per_image = Tokens::from_thousandths(2);
};

}  // namespace infernode
