#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "audit/audit_repository.hpp"

namespace infernode {

// Keeps what administrators did, in the transaction in which they did it.
class AuditService {
public:
  explicit AuditService(AuditRepository& entries) : entries_{entries} {}

  asio::awaitable<void> record(db::Connection& transaction, AuditedAct act) {
    return entries_.add(transaction, std::move(act));
  }
  asio::awaitable<std::vector<AuditEntry>> list(PageRequest page) { return entries_.list(page); }

private:
  AuditRepository& entries_;
};

}  // namespace infernode
