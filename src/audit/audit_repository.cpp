#include "audit/audit_repository.hpp"

#include "audit/audit_dao.hpp"

namespace infernode {

asio::awaitable<void> AuditRepository::add(db::Connection& transaction, AuditedAct act) {
  co_await audit_dao::insert(transaction, std::move(act));
}

asio::awaitable<std::vector<AuditEntry>> AuditRepository::list(PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await audit_dao::list(*connection, page.after, page.limit + 1);
}

}  // namespace infernode
