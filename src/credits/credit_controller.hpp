#pragma once

#include "credits/credit_service.hpp"
#include "http/router.hpp"

namespace infernode {

// GET /users/me/transactions. `credits` must outlive the router.
void add_credit_routes(http::Router& router, CreditService& credits);

}  // namespace infernode
