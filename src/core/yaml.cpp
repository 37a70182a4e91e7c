#include "core/yaml.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>

namespace infernode {
namespace {

namespace json = boost::json;

// YAML 1.2 core schema for plain scalars; quoted ones are strings.
json::value scalar(const YAML::Node& node) {
  const std::string text = node.Scalar();
  if (node.Tag() == "!") {
    return json::value(text);
  }
  if (text == "true" || text == "false") {
    return text == "true";
  }
  if (text == "null" || text == "~" || text.empty()) {
    return nullptr;
  }
  std::int64_t integer = 0;
  const char* end = text.data() + text.size();
  if (const auto parsed = std::from_chars(text.data(), end, integer);
      parsed.ec == std::errc{} && parsed.ptr == end) {
    return integer;
  }
  double number = 0;
  if (const auto parsed = std::from_chars(text.data(), end, number);
      parsed.ec == std::errc{} && parsed.ptr == end && std::isfinite(number)) {
    return number;
  }
  return json::value(text);
}

// Aliases may name what they stand in, or make a short text a huge value.
constexpr int kMaxDepth = 64;
constexpr int kMaxNodes = 200000;

json::value to_json(const YAML::Node& node, int depth, int& nodes) {
  if (depth > kMaxDepth || ++nodes > kMaxNodes) {
    throw std::runtime_error("too deep, or too large by its aliases");
  }
  if (node.IsMap()) {
    json::object object;
    for (const auto& entry : node) {
      object.emplace(entry.first.as<std::string>(), to_json(entry.second, depth + 1, nodes));
    }
    return object;
  }
  if (node.IsSequence()) {
    json::array array;
    for (const auto& entry : node) {
      array.push_back(to_json(entry, depth + 1, nodes));
    }
    return array;
  }
  return node.IsScalar() ? scalar(node) : json::value{nullptr};
}

}  // namespace

json::value parse_yaml(std::string_view yaml) {
  int nodes = 0;
  return to_json(YAML::Load(std::string{yaml}), 0, nodes);
}

}  // namespace infernode
