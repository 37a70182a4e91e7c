#include "core/yaml.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "core/embedded.hpp"

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

// A copy of part of the file `path` with references to other files replaced.
json::value bundle(const json::value& value, const std::string& path) {
  if (const auto* object = value.if_object()) {
    if (const auto* ref = object->if_contains("$ref"); ref != nullptr && ref->is_string()) {
      const auto target = json::value_to<std::string>(*ref);
      const auto hash = target.find('#');
      if (hash == 0) {
        return value;
      }
      const auto file = (std::filesystem::path{path}.parent_path() / target.substr(0, hash))
                            .lexically_normal()
                            .string();
      const auto whole = parse_embedded_yaml(file);
      return hash == std::string::npos ? whole : whole.at_pointer(target.substr(hash + 1));
    }
    json::object copy;
    for (const auto& [key, member] : *object) {
      copy.emplace(key, bundle(member, path));
    }
    return copy;
  }
  if (const auto* array = value.if_array()) {
    json::array copy;
    for (const auto& element : *array) {
      copy.push_back(bundle(element, path));
    }
    return copy;
  }
  return value;
}

}  // namespace

json::value parse_yaml(std::string_view yaml) {
  int nodes = 0;
  return to_json(YAML::Load(std::string{yaml}), 0, nodes);
}

json::value parse_embedded_yaml(const std::string& path) {
  return bundle(parse_yaml(embedded_file(path)), path);
}

}  // namespace infernode
