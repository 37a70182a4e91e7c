#pragma once

#include "http/router.hpp"
#include "results/result_service.hpp"

namespace infernode {

// /jobs/{id}/result and /jobs/{id}/images. `results` must outlive the router.
void add_result_routes(http::Router& router, ResultService& results);

}  // namespace infernode
