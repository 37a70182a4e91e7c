#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace infernode {

// A YAML document as JSON. Plain scalars are read by the core schema of YAML 1.2; quoted ones are
// strings. Throws std::exception for what is no YAML.
boost::json::value parse_yaml(std::string_view yaml);

// An embedded YAML file ("api/openapi.yaml") in which every reference to a file, or to a part of
// one ("../params.yaml#/track"), is replaced by what it refers to; a file is found from the folder
// of the file that refers to it. References within the file itself ("#/...") stay. Throws
// std::exception for one that leads nowhere.
boost::json::value parse_embedded_yaml(const std::string& path);

}  // namespace infernode
