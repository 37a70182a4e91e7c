#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "audit/audit.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

class AuditRepository {
public:
  explicit AuditRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<void> add(db::Connection& transaction, AuditedAct act);
  // One entry more than the page holds, when there are more.
  asio::awaitable<std::vector<AuditEntry>> list(PageRequest page);

private:
  db::Pool& pool_;
};

}  // namespace infernode
