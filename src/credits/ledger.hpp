#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode {

enum class LedgerKind { opening, recharge, upload, job, refund };
template <>
struct Words<LedgerKind> {
  static constexpr std::pair<LedgerKind, std::string_view> all[]{{LedgerKind::opening, "opening"},
                                                                 {LedgerKind::recharge, "recharge"},
                                                                 {LedgerKind::upload, "upload"},
                                                                 {LedgerKind::job, "job"},
                                                                 {LedgerKind::refund, "refund"}};
};

// One change of a balance.
struct LedgerEntry {
  boost::uuids::uuid id{};
  LedgerKind kind = LedgerKind::opening;
  Tokens amount;  // signed
  Tokens balance_after;
  std::optional<JobId> job;
  std::optional<VideoId> video;
  std::optional<UserId> admin;
  std::optional<std::string> note;
  Timestamp created_at;
};

// A change to be made.
struct LedgerChange {
  UserId user;
  LedgerKind kind = LedgerKind::upload;
  Tokens amount;  // signed
  std::optional<JobId> job{};
  std::optional<VideoId> video{};
  std::optional<UserId> admin{};
  std::optional<std::string> note{};
};

// What things cost (shared by every job and upload of this installation).
struct PriceList {
  Tokens upload_per_frame = Tokens::from_thousandths(1);
  Tokens inference_per_image = Tokens::from_thousandths(2);
};

// The price of a job that is being accepted.
struct NewHold {
  JobId job;
  VideoId video;
  Tokens amount;
  std::string note;  // of its ledger entry
};

// What became of a job's price.
struct ClosedHold {
  JobId job;
  UserId user;
  Tokens settled;   // stays paid
  Tokens released;  // goes back to the balance
};

// What goes back to a user.
struct Refund {
  UserId user;
  JobId job;
  VideoId video;
  Tokens amount;
  std::string note;
};

// An entry as the chain has it, and the head of the chain that it belongs to.
struct ChainedEntry {
  UserId user;
  std::int64_t seq = 0;
  std::vector<std::byte> hash;
  LedgerEntry entry;
  Tokens head_balance;
  std::optional<std::int64_t> head_length;  // nullopt: there is no such account
  std::vector<std::byte> head_hash;
};

// What is wrong with the ledger.
struct LedgerFault {
  UserId user;
  std::int64_t seq = 0;  // of the entry; 0 when it is the account as a whole
  std::string what;
};

struct LedgerReport {
  std::int64_t accounts = 0;
  std::int64_t entries = 0;
  std::int64_t fault_count = 0;
  std::vector<LedgerFault> faults;  // the first hundred
  double seconds = 0;

  bool sound() const { return fault_count == 0; }
};

}  // namespace infernode
