#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "audit/audit.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// Keeps what administrators did, in the transaction in which they did it. `database` must outlive
// it.
class AuditService {
public:
  explicit AuditService(db::Pool& database) : database_{database} {}

  void record(db::Transaction& transaction, const AuditedAct& act);
  // One entry more than the page holds, when there are more; newest first.
  asio::awaitable<std::vector<AuditEntry>> list(PageRequest page);

private:
  db::Pool& database_;
};

}  // namespace infernode
