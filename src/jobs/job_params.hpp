#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "inference/model_catalogue.hpp"

namespace infernode {

// The params of a request (already checked against their schema) with every default filled in for a
// video of `frame_count` frames. Fails with `invalid`, naming the key, for what contradicts itself,
// the video or the model.
Result<boost::json::object> resolve_params(const boost::json::object& given, int frame_count,
                                           const std::vector<inference::Model>& models);

// The class ids of the labels in resolved params.
std::vector<int> class_ids(const boost::json::value& params, const inference::Model& model);

// The model that resolved params name; nullptr when this machine does not have it.
const inference::Model* find_model(const std::vector<inference::Model>& models,
                                   const std::string& name);

}  // namespace infernode
