#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "credits/ledger.hpp"

namespace infernode {

// The hash that an entry of a chain must bear: SHA-256 of the hash before it and of everything it
// says. The same as the database's ledger_entry_hash(), written a second time on purpose: what
// checks should not be what made.
std::vector<std::byte> chain_hash(const std::vector<std::byte>& previous, std::int64_t seq,
                                  const LedgerEntry& entry);

// Checks chains entry by entry, in the order of users and of numbers within a user. Keeps one entry
// in memory.
class ChainCheck {
public:
  void add(const ChainedEntry& entry);
  // Accounts without any entry: the first of them, and how many there are.
  void add_empty_accounts(const std::vector<UserId>& users, std::int64_t count);
  // Once, after the last entry.
  LedgerReport finish();

private:
  void fault(UserId user, std::int64_t seq, std::string what);
  void end_chain();

  std::optional<ChainedEntry> last_;
  LedgerReport report_;
};

}  // namespace infernode
