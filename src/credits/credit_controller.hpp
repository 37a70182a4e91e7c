#pragma once

#include "credits/credit_service.hpp"
#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"

namespace infernode {

// GET /users/me/transactions, POST /admin/users/{id}/recharge, GET /admin/ledger/check. Both
// services must outlive the router.
void add_credit_routes(http::Router& router, CreditService& credits, IdempotencyService& once);

// What a check found, as JSON.
boost::json::object report_json(const LedgerReport& report);

}  // namespace infernode
