#pragma once

#include <boost/json.hpp>
#include <string_view>

namespace infernode {

// A YAML document as JSON. Plain scalars are read by the core schema of YAML 1.2; quoted ones are
// strings. Throws std::exception for what is no YAML.
boost::json::value parse_yaml(std::string_view yaml);

}  // namespace infernode
