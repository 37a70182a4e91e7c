#pragma once

#include "datasets/dataset_service.hpp"
#include "idempotency/once_routes.hpp"

namespace infernode {

// /tags, /datasets and /admin/tags. `datasets` must outlive the router.
void add_dataset_routes(OnceRoutes& routes, DatasetService& datasets);

}  // namespace infernode
