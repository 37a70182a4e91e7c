// Goal: the check of the ledger finds whatever was changed, added or taken away.
// Method: sound chains, and every way in which one can be spoilt.
#include <gtest/gtest.h>

#include <functional>

#include "credits/chain_check.hpp"

namespace infernode {
namespace {

class Chain : public testing::Test {
protected:
  Chain() {
    post(LedgerKind::opening, 100'000);
    post(LedgerKind::job, -240);
    post(LedgerKind::refund, 40);
    post(LedgerKind::recharge, 5'000);
    seal();
  }

  void post(LedgerKind kind, std::int64_t thousandths) {
    ChainedEntry entry;
    entry.user = user_;
    entry.seq = static_cast<std::int64_t>(entries_.size()) + 1;
    entry.entry.id = random_uuid();
    entry.entry.kind = kind;
    entry.entry.amount = Tokens::from_thousandths(thousandths);
    const auto before = entries_.empty() ? Tokens{} : entries_.back().entry.balance_after;
    entry.entry.balance_after = before + entry.entry.amount;
    entry.entry.note = "why|" + std::string{to_text(kind)};
    const auto previous = entries_.empty() ? std::vector<std::byte>{} : entries_.back().hash;
    entry.hash = chain_hash(previous, entry.seq, entry.entry);
    entries_.push_back(entry);
  }
  // The account's head as it is with all entries.
  void seal() {
    for (auto& entry : entries_) {
      entry.head_balance = entries_.back().entry.balance_after;
      entry.head_length = entries_.back().seq;
      entry.head_hash = entries_.back().hash;
    }
  }

  // How many faults there are once `spoil` has been at the entries.
  std::int64_t faults(const std::function<void(std::vector<ChainedEntry>&)>& spoil) const {
    auto entries = entries_;
    spoil(entries);
    ChainCheck check;
    for (const auto& entry : entries) {
      check.add(entry);
    }
    return check.finish().fault_count;
  }

  UserId user_ = UserId::random();
  std::vector<ChainedEntry> entries_;
};

TEST_F(Chain, IsSound) {
  EXPECT_EQ(faults([](auto&) {}), 0);
}

TEST_F(Chain, SoundNextToAnother) {
  ChainCheck check;
  for (const auto& entry : entries_) {
    check.add(entry);
  }
  for (auto entry : entries_) {
    entry.user = UserId::random();
    entry.head_length = 1;
    entry.head_hash = entry.hash;
    entry.head_balance = entry.entry.balance_after;
    if (entry.seq == 1) {
      check.add(entry);
    }
  }
  const auto report = check.finish();
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.entries, 5);
}

TEST_F(Chain, ShowsWhateverWasChanged) {
  const auto change = [&](const std::function<void(LedgerEntry&)>& change_one) {
    for (std::size_t at = 0; at < entries_.size(); ++at) {
      EXPECT_GT(faults([&](auto& entries) { change_one(entries[at].entry); }), 0) << at;
    }
  };
  change([](auto& entry) { entry.amount = entry.amount + Tokens::from_thousandths(1); });
  change(
      [](auto& entry) { entry.balance_after = entry.balance_after + Tokens::from_thousandths(1); });
  change([](auto& entry) { entry.id = random_uuid(); });
  change([](auto& entry) {
    entry.kind = entry.kind == LedgerKind::job ? LedgerKind::upload : LedgerKind::job;
  });
  change([](auto& entry) { entry.note = "something else"; });
  change([](auto& entry) { entry.note.reset(); });
  change([](auto& entry) { entry.job = JobId::random(); });
  change([](auto& entry) { entry.video = VideoId::random(); });
  change([](auto& entry) { entry.admin = UserId::random(); });
  change([](auto& entry) { entry.created_at += std::chrono::microseconds{1}; });
}

TEST_F(Chain, ShowsWhateverIsMissing) {
  for (std::ptrdiff_t at = 0; at < static_cast<std::ptrdiff_t>(entries_.size()); ++at) {
    EXPECT_GT(faults([&](auto& entries) { entries.erase(entries.begin() + at); }), 0) << at;
  }
  EXPECT_GT(faults([](auto& entries) { std::swap(entries[1], entries[2]); }), 0);
  ChainCheck check;
  check.add_empty_accounts({user_}, 3);
  EXPECT_EQ(check.finish().fault_count, 3);
  EXPECT_EQ(faults([](auto& entries) {
              for (auto& entry : entries) {
                entry.head_length.reset();  // no such account
              }
            }),
            1);
}

TEST_F(Chain, ShowsABalanceThatIsNotTheSum) {
  EXPECT_EQ(faults([](auto& entries) {
              for (auto& entry : entries) {
                entry.head_balance = Tokens::from_thousandths(1);
              }
            }),
            1);
}

}  // namespace
}  // namespace infernode
