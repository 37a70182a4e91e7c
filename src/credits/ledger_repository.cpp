#include "credits/ledger_repository.hpp"

#include "credits/ledger_dao.hpp"

namespace infernode {

asio::awaitable<std::optional<Tokens>> LedgerRepository::change_if_covered(
    db::Connection& transaction, LedgerChange change, Tokens amount) {
  co_return co_await ledger_dao::change_if_covered(transaction, std::move(change), amount);
}

asio::awaitable<std::optional<Tokens>> LedgerRepository::balance(UserId user) {
  const auto connection = co_await pool_.acquire();
  co_return co_await ledger_dao::balance(*connection, user);
}

asio::awaitable<std::optional<Tokens>> LedgerRepository::balance(db::Connection& transaction,
                                                                 UserId user) {
  co_return co_await ledger_dao::balance(transaction, user);
}

asio::awaitable<std::vector<LedgerEntry>> LedgerRepository::list(UserId user, PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await ledger_dao::list(*connection, user, page.after, page.limit + 1);
}

}  // namespace infernode
