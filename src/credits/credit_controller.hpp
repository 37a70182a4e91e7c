#pragma once

#include "credits/credit_service.hpp"
#include "idempotency/once_routes.hpp"

namespace infernode {

// GET /users/me/transactions, POST /admin/users/{id}/recharge, GET /admin/ledger/check. `credits`
// must outlive the router.
void add_credit_routes(OnceRoutes& routes, CreditService& credits);

// What a check found, as JSON.
boost::json::object report_json(const LedgerReport& report);

}  // namespace infernode
