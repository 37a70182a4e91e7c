#pragma once

#include <map>
#include <string>
#include <vector>

#include "http/router.hpp"
#include "models/model_service.hpp"

namespace infernode {

// What workers that are at work can compute on ("cpu", "cuda").
struct ModelDevices {
  std::vector<std::string> all;
  // By inference::versioned_name(), of those that have the model.
  std::map<std::string, std::vector<std::string>> of_model;
};

// GET /models, POST /admin/models, its test and DELETE. `catalogue` has all models, also those that
// were not added, as `reread`, which throws nothing, has it read anew. All must
// outlive the router.
void add_model_routes(http::Router& router, ModelService& models, BlobStore& blobs,
                      const inference::ModelCatalogue& catalogue,
                      std::function<asio::awaitable<void>()> reread,
                      std::function<asio::awaitable<ModelDevices>()> find_devices);

}  // namespace infernode
