#pragma once

#include "http/router.hpp"
#include "usage/usage_service.hpp"

namespace infernode {

// GET /users/me/usage. `usage` must outlive the router.
void add_usage_routes(http::Router& router, UsageService& usage);

}  // namespace infernode
