#include "credits/chain_check.hpp"

#include <fmt/format.h>

#include "core/digest.hpp"

namespace infernode {
namespace {

constexpr std::size_t kMaxFaults = 100;

template <class Tag>
std::string text_of(const std::optional<Id<Tag>>& id) {
  return id ? id->to_string() : std::string{};
}

}  // namespace

std::vector<std::byte> chain_hash(const std::vector<std::byte>& previous, std::int64_t seq,
                                  const LedgerEntry& entry) {
  const std::string said =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", uuid_text(entry.id), seq, to_text(entry.kind),
                  entry.amount.to_string(), entry.balance_after.to_string(), text_of(entry.job),
                  text_of(entry.video), text_of(entry.admin),
                  entry.created_at.time_since_epoch().count(), entry.note.value_or(""));
  Sha256 sha;
  sha.update(previous);
  sha.update(std::as_bytes(std::span{said}));
  const auto digest = sha.finish();
  return {digest.begin(), digest.end()};
}

void ChainCheck::fault(UserId user, std::int64_t seq, std::string what) {
  ++report_.fault_count;
  if (report_.faults.size() < kMaxFaults) {
    report_.faults.push_back(LedgerFault{user, seq, std::move(what)});
  }
}

void ChainCheck::add(const ChainedEntry& entry) {
  ++report_.entries;
  const bool first = !last_ || last_->user != entry.user;
  if (first) {
    end_chain();
  }
  const std::int64_t expected = first ? 1 : last_->seq + 1;
  const Tokens before = first ? Tokens{} : last_->entry.balance_after;
  if (entry.seq != expected) {
    fault(entry.user, entry.seq,
          fmt::format("entries {} to {} are missing", expected, entry.seq - 1));
  } else {
    if (entry.entry.balance_after.thousandths() !=
        before.thousandths() + entry.entry.amount.thousandths()) {
      fault(entry.user, entry.seq,
            fmt::format("the balance goes from {} by {} to {}", before.to_string(),
                        entry.entry.amount.to_string(), entry.entry.balance_after.to_string()));
    }
    const auto hash =
        chain_hash(first ? std::vector<std::byte>{} : last_->hash, entry.seq, entry.entry);
    if (hash != entry.hash) {
      fault(entry.user, entry.seq, "the entry was changed: its hash does not fit");
    }
  }
  if ((entry.entry.kind == LedgerKind::opening) != (entry.seq == 1)) {
    fault(entry.user, entry.seq, "the account is not opened by its first entry alone");
  }
  last_ = entry;
}

void ChainCheck::add_empty_accounts(const std::vector<UserId>& users, std::int64_t count) {
  for (const UserId user : users) {
    fault(user, 0, "the account has no entry");
  }
  report_.fault_count += count - static_cast<std::int64_t>(users.size());
}

void ChainCheck::end_chain() {
  if (!last_) {
    return;
  }
  if (!last_->head_length) {
    fault(last_->user, last_->seq, "there is no such account");
    return;
  }
  if (last_->seq != *last_->head_length) {
    fault(
        last_->user, last_->seq,
        fmt::format("the chain ends here, but the account counts {} entries", *last_->head_length));
  } else if (last_->hash != last_->head_hash) {
    fault(last_->user, last_->seq, "the account's hash is not that of its last entry");
  }
  if (last_->entry.balance_after != last_->head_balance) {
    fault(last_->user, 0,
          fmt::format("the balance is {}, and the entries make {}", last_->head_balance.to_string(),
                      last_->entry.balance_after.to_string()));
  }
}

LedgerReport ChainCheck::finish() {
  end_chain();
  last_.reset();
  return std::move(report_);
}

}  // namespace infernode
