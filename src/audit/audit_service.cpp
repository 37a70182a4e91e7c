#include "audit/audit_service.hpp"

#include "audit/audit_dao.hpp"

namespace infernode {

void AuditService::record(db::Transaction& transaction, const AuditedAct& act) {
  audit_dao::insert(transaction, act);
}

asio::awaitable<std::vector<AuditEntry>> AuditService::list(PageRequest page) {
  co_return co_await audit_dao::list(database_, page.after, page.limit + 1);
}

}  // namespace infernode
