#pragma once

#include "audit/audit_service.hpp"
#include "http/router.hpp"

namespace infernode {

// GET /admin/audit. `audit` must outlive the router.
void add_audit_routes(http::Router& router, AuditService& audit);

}  // namespace infernode
