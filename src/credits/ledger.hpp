#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  std::optional<UserId> admin;
  std::optional<std::string> note;
  Timestamp created_at;
};

// A change to be made.
struct LedgerChange {
  UserId user;
  std::string kind;
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

// What became of a job's price.
struct ClosedHold {
  UserId user;
  Tokens settled;   // stays paid
  Tokens released;  // goes back to the balance
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
