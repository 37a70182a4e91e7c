#include "credits/ledger_repository.hpp"

#include "credits/chain_check.hpp"
#include "credits/ledger_dao.hpp"

namespace infernode {
namespace {

constexpr int kCheckBatch = 500;  // some milliseconds of work, which the I/O thread can spare

}  // namespace

asio::awaitable<std::optional<Tokens>> LedgerRepository::post_if_covered(
    db::Connection& transaction, LedgerChange change) {
  co_return co_await ledger_dao::post_if_covered(transaction, std::move(change));
}

asio::awaitable<std::optional<Tokens>> LedgerRepository::balance(db::Connection& transaction,
                                                                 UserId user) {
  co_return co_await ledger_dao::balance(transaction, user);
}

asio::awaitable<std::vector<LedgerEntry>> LedgerRepository::list(UserId user, PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await ledger_dao::list(*connection, user, page.after, page.limit + 1);
}

asio::awaitable<void> LedgerRepository::add_hold(db::Connection& transaction, JobId job,
                                                 UserId user, Tokens amount) {
  co_await hold_dao::insert(transaction, job, user, amount);
}

asio::awaitable<bool> LedgerRepository::settle_hold(db::Connection& transaction, JobId job,
                                                    Tokens amount) {
  co_return co_await hold_dao::settle(transaction, job, amount);
}

asio::awaitable<std::optional<ClosedHold>> LedgerRepository::close_hold(db::Connection& transaction,
                                                                        JobId job,
                                                                        bool everything) {
  co_return co_await hold_dao::close(transaction, job, everything);
}

asio::awaitable<LedgerReport> LedgerRepository::check() {
  const auto connection = co_await pool_.acquire();
  co_return co_await check_ledger(*connection);
}

asio::awaitable<LedgerReport> check_ledger(db::Connection& connection) {
  const auto started = std::chrono::steady_clock::now();
  // One snapshot: entries that come in meanwhile belong to the next check.
  co_await connection.run_script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  ChainCheck check;
  UserId user;
  std::int64_t seq = 0;
  for (bool more = true; more;) {
    const auto batch = co_await ledger_dao::list_chained(connection, user, seq, kCheckBatch);
    for (const auto& entry : batch) {
      check.add(entry);
    }
    more = static_cast<int>(batch.size()) == kCheckBatch;
    if (more) {
      user = batch.back().user;
      seq = batch.back().seq;
    }
  }
  const auto empty = co_await ledger_dao::list_empty_accounts(connection, kCheckBatch);
  check.add_empty_accounts(empty.users, empty.count);
  const auto accounts = co_await ledger_dao::count_accounts(connection);
  co_await connection.run_script("COMMIT");
  auto report = check.finish();
  report.accounts = accounts;
  report.seconds = seconds_since(started);
  co_return report;
}

}  // namespace infernode
