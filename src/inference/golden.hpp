#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "inference/model.hpp"

namespace infernode::inference {

// In what a model's finds in its golden picture, objects as a pipeline gives them, differ from what
// its manifest expects; a sentence each, at most 20. Nothing is missed or too much that is within
// the tolerance of the least confidence.
std::vector<std::string> golden_differences(const Golden& golden, const boost::json::array& found);

// An object as a pipeline gives it.
GoldenObject golden_object(const boost::json::object& found);

// What was found, as a manifest says it.
boost::json::object golden_from_found(const Golden& settings, const boost::json::array& found);

}  // namespace infernode::inference
