#pragma once

#include "http/router.hpp"
#include "models/model_service.hpp"

namespace infernode {

// GET /models, POST /admin/models, its test and DELETE. `catalogue` has all models, also those that
// were not added, as `reread`, which throws nothing, has it read anew; `find_devices` tells what
// workers can compute on. All must outlive the router.
void add_model_routes(http::Router& router, ModelService& models, BlobStore& blobs,
                      const inference::ModelCatalogue& catalogue,
                      std::function<asio::awaitable<void>()> reread,
                      std::function<asio::awaitable<std::vector<std::string>>()> find_devices);

}  // namespace infernode
