#pragma once

#include "datasets/dataset_service.hpp"
#include "http/router.hpp"

namespace infernode {

// /tags and /datasets. `datasets` must outlive the router.
void add_dataset_routes(http::Router& router, DatasetService& datasets);

}  // namespace infernode
