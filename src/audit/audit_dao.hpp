#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "audit/audit.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

// Statements on "AuditEntries", one a function.
namespace infernode::audit_dao {

namespace asio = boost::asio;

void insert(db::Transaction& transaction, const AuditedAct& act);
// Up to `limit` entries, newest first.
asio::awaitable<std::vector<AuditEntry>> list(db::Executor& executor, std::optional<Cursor> after,
                                              int limit);

}  // namespace infernode::audit_dao
