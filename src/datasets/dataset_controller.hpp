#pragma once

#include "datasets/dataset_service.hpp"
#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"

namespace infernode {

// /tags, /datasets and /admin/tags. Both services must outlive the router.
void add_dataset_routes(http::Router& router, DatasetService& datasets, IdempotencyService& once);

}  // namespace infernode
