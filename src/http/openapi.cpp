#include "http/openapi.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>
#include <stdexcept>
#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "core/json.hpp"

namespace infernode::http {
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
      parsed.ec == std::errc{} && parsed.ptr == end) {
    return number;
  }
  return json::value(text);
}

json::value to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    json::object object;
    for (const auto& entry : node) {
      object.emplace(entry.first.as<std::string>(), to_json(entry.second));
    }
    return object;
  }
  if (node.IsSequence()) {
    json::array array;
    for (const auto& entry : node) {
      array.push_back(to_json(entry));
    }
    return array;
  }
  return node.IsScalar() ? scalar(node) : json::value{nullptr};
}

// A copy of `value` in which every {"$ref": "#/..."} is replaced by what it points to.
json::value resolve(const json::value& value, const json::value& document, int depth = 0) {
  if (depth > 64) {
    throw std::runtime_error("the API document refers to itself without end");
  }
  if (const auto* object = value.if_object()) {
    if (const auto* ref = object->if_contains("$ref")) {
      const std::string pointer = json::value_to<std::string>(*ref);
      if (!pointer.starts_with("#/")) {
        throw std::runtime_error("the API document refers outside of itself: " + pointer);
      }
      boost::system::error_code error;
      const auto* target = document.find_pointer(pointer.substr(1), error);
      if (target == nullptr) {
        throw std::runtime_error("the API document refers to nothing: " + pointer);
      }
      return resolve(*target, document, depth + 1);
    }
    json::object copy;
    for (const auto& [key, member] : *object) {
      copy.emplace(key, resolve(member, document, depth + 1));
    }
    return copy;
  }
  if (const auto* array = value.if_array()) {
    json::array copy;
    for (const auto& element : *array) {
      copy.push_back(resolve(element, document, depth + 1));
    }
    return copy;
  }
  return value;
}

// More would help nobody.
constexpr std::size_t kMaxErrors = 20;

// The schema as valijson gets it. Without `uniqueItems`: it compares every pair of items, which a
// hostile list makes expensive; find_duplicate() does it instead. Without `format`: it takes every
// value for a string there (found by the property test); what reads an id checks its form.
json::value for_valijson(const json::value& schema) {
  json::value copy = schema;
  if (auto* object = copy.if_object()) {
    object->erase("uniqueItems");
    if (const auto* format = object->if_contains("format");
        format != nullptr && format->is_string()) {
      object->erase("format");
    }
    for (auto& member : *object) {
      member.value() = for_valijson(member.value());
    }
  }
  return copy;
}

// Where a list that must not repeat itself does; follows the schema's properties.
std::optional<FieldError> find_duplicate(const json::value& schema, const json::value& value,
                                         const std::string& pointer) {
  const auto& rules = schema.as_object();
  if (const auto* array = value.if_array()) {
    const bool unique = rules.if_contains("uniqueItems") != nullptr;
    std::set<std::string> seen;
    for (const auto& item : *array) {
      if (unique && !seen.insert(json::serialize(item)).second) {
        return FieldError{pointer, "holds an item twice"};
      }
    }
  } else if (const auto* object = value.if_object()) {
    const auto* properties = rules.if_contains("properties");
    for (const auto& [name, member] : *object) {
      const auto* below =
          properties == nullptr ? nullptr : properties->as_object().if_contains(name);
      if (below == nullptr) {
        continue;
      }
      if (auto error = find_duplicate(*below, member, pointer + "/" + std::string{name})) {
        return error;
      }
    }
  }
  return std::nullopt;
}

// A compiled schema.
class SchemaCheck {
public:
  explicit SchemaCheck(const json::value& schema)
      : source_(schema) {  // braces would make it a list of one
    valijson::SchemaParser parser;
    const json::value compiled = for_valijson(schema);
    parser.populateSchema(valijson::adapters::BoostJsonAdapter{compiled}, schema_);
  }

  std::vector<FieldError> run(const json::value& value) const {
    valijson::Validator validator{valijson::Validator::kStrongTypes};
    valijson::ValidationResults results;
    std::vector<FieldError> errors;
    if (validator.validate(schema_, valijson::adapters::BoostJsonAdapter{value}, &results)) {
      if (auto duplicate = find_duplicate(source_, value, "")) {
        errors.push_back(std::move(*duplicate));
      }
      return errors;
    }
    valijson::ValidationResults::Error error;
    while (errors.size() < kMaxErrors && results.popError(error)) {
      errors.push_back(field_error(error));
    }
    // One wrong member makes its parent fail too; the innermost say it best.
    std::erase_if(errors, [&](const FieldError& outer) {
      return outer.detail.starts_with("Failed to validate against schema") ||
             outer.detail.starts_with("Object property name");
    });
    return errors;
  }

private:
  // An error about a member is told at the member, in our words.
  static FieldError field_error(const valijson::ValidationResults::Error& error) {
    const std::string place = pointer(error.context);
    const std::string& text = error.description;
    for (const auto& [marker, what] : {std::pair{"Missing required property '", "is missing"},
                                       {"Properties' constraints: '", "is not known here"}}) {
      const auto found = text.find(marker);
      if (found != std::string::npos) {
        const auto begin = found + std::string_view{marker}.size();
        const std::string name = text.substr(begin, text.rfind('\'') - begin);
        return {place + "/" + escaped(utf8_prefix(name, 100)), what};
      }
    }
    return {place, text};
  }

  // valijson writes a place as "<root>", "[name]", "[0]".
  static std::string pointer(const std::vector<std::string>& context) {
    std::string result;
    for (const auto& part : context) {
      if (part.size() >= 2 && part.front() == '[') {
        result += "/" + escaped(std::string_view{part}.substr(1, part.size() - 2));
      }
    }
    return result;
  }

  // A name as a JSON Pointer has it (RFC 6901).
  static std::string escaped(std::string_view name) {
    std::string result;
    for (const char c : name) {
      result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return result;
  }

  json::value source_;
  valijson::Schema schema_;
};

std::string joined_details(const std::vector<FieldError>& fields) {
  std::string text;
  for (const auto& field : fields) {
    text += (text.empty() ? "" : "; ") +
            (field.pointer.empty() ? field.detail : field.pointer + ": " + field.detail);
  }
  return text;
}

// Undoes percent-encoding and the plus that forms write for a space; nullopt for what is no UTF-8
// text.
std::optional<std::string> decode_component(std::string_view encoded) {
  std::string text;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      text += encoded[i] == '+' ? ' ' : encoded[i];
      continue;
    }
    unsigned value = 0;
    const char* digits = encoded.data() + i + 1;
    if (i + 2 >= encoded.size() ||
        std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
      return std::nullopt;
    }
    text += static_cast<char>(value);
    i += 2;
  }
  return is_utf8(text) ? std::optional{text} : std::nullopt;
}

// name=value pairs in order (application/x-www-form-urlencoded). Our own, since the parameter
// iterator of Boost.URL 1.81 reads outside of some malformed queries (found by the fuzz test).
std::optional<std::vector<std::pair<std::string, std::string>>> decode_query(
    std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) {
      continue;
    }
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = decode_component(pair.substr(0, equals));
    auto value = decode_component(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) {
      return std::nullopt;
    }
    pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return pairs;
}

// The text of a query parameter as the type that its schema names.
json::value typed(const json::object& schema, const std::string& text) {
  const auto* declared = schema.if_contains("type");
  const std::string type = declared != nullptr && declared->is_string()
                               ? json::value_to<std::string>(*declared)
                               : "string";
  const char* end = text.data() + text.size();
  if (type == "integer") {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end) {
      return number;
    }
  } else if (type == "boolean" && (text == "true" || text == "false")) {
    return text == "true";
  }
  return json::value(text);  // a wrong type is then found by the schema
}

}  // namespace

struct ApiDocument::Checks {
  std::unique_ptr<SchemaCheck> body;
  json::object parameters;  // name -> schema
  std::unique_ptr<SchemaCheck> query;
};

ApiDocument::ApiDocument(std::string_view yaml) {
  const json::value document = to_json(YAML::Load(std::string{yaml}));
  text_ = json_text(document);
  for (const auto& [name, schema] : document.at_pointer("/components/schemas").as_object()) {
    schemas_.emplace(name, resolve(schema, document));
  }
  for (const auto& [path, item] : document.at("paths").as_object()) {
    for (const auto& [method, raw] : item.as_object()) {
      if (method == "parameters" || method == "servers") {
        continue;
      }
      const json::value operation = resolve(raw, document);
      Operation entry;
      for (const char c : std::string{method}) {
        entry.method += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      }
      entry.path = path;
      entry.id = json::value_to<std::string>(operation.at("operationId"));
      auto checks = std::make_unique<Checks>();
      boost::system::error_code absent;
      if (const auto* schema =
              operation.find_pointer("/requestBody/content/application~1json/schema", absent)) {
        checks->body = std::make_unique<SchemaCheck>(*schema);
      }
      if (const auto* parameters = operation.as_object().if_contains("parameters")) {
        for (const auto& parameter : parameters->as_array()) {
          if (parameter.at("in").as_string() == "query") {
            checks->parameters.emplace(parameter.at("name").as_string(), parameter.at("schema"));
          }
        }
      }
      const json::value query_schema{{"type", "object"}, {"properties", checks->parameters}};
      checks->query = std::make_unique<SchemaCheck>(query_schema);
      if (!checks_.emplace(entry.id, std::move(checks)).second) {
        throw std::runtime_error("the API document has two operations " + entry.id);
      }
      operations_.push_back(std::move(entry));
    }
  }
}

ApiDocument::~ApiDocument() = default;

Result<void> ApiDocument::check_body(const std::string& operation_id,
                                     const json::value& body) const {
  const auto& checks = checks_.at(operation_id);
  if (!checks->body) {
    return {};
  }
  auto errors = checks->body->run(body);
  if (errors.empty()) {
    return {};
  }
  Error error{ErrorCode::invalid, "The body does not fit: " + joined_details(errors)};
  error.fields = std::move(errors);
  return error;
}

Result<json::object> ApiDocument::parse_query(const std::string& operation_id,
                                              std::string_view query_string) const {
  const auto& checks = checks_.at(operation_id);
  const auto parsed = decode_query(query_string);
  if (!parsed) {
    return Error{ErrorCode::malformed, "the query string is malformed"};
  }
  json::object query;
  const auto refuse = [](const std::string& name, const std::string& why) {
    Error error{ErrorCode::invalid, fmt::format("The query parameter {} {}", name, why)};
    error.fields.push_back(FieldError{"?" + name, why});
    return error;
  };
  for (const auto& [name, value] : *parsed) {
    const auto* schema = checks->parameters.if_contains(name);
    if (schema == nullptr) {
      return refuse(std::string{utf8_prefix(name, 100)}, "is not known here");
    }
    if (has_control_character(value)) {
      return refuse(name, "holds a control character");
    }
    const auto& rules = schema->as_object();
    if (rules.contains("items")) {
      auto& list = query[name];
      if (!list.is_array()) {
        list = json::array{};
      }
      list.as_array().push_back(typed(rules.at("items").as_object(), value));
    } else if (query.contains(name)) {
      return refuse(name, "is given twice");
    } else {
      query.emplace(name, typed(rules, value));
    }
  }
  auto errors = checks->query->run(query);
  if (!errors.empty()) {
    for (auto& error : errors) {
      error.pointer = "?" + (error.pointer.empty() ? error.pointer : error.pointer.substr(1));
    }
    Error error{ErrorCode::invalid, "The query does not fit: " + joined_details(errors)};
    error.fields = std::move(errors);
    return error;
  }
  for (const auto& [name, schema] : checks->parameters) {
    if (const auto* fallback = schema.as_object().if_contains("default");
        fallback != nullptr && !query.contains(name)) {
      query.emplace(name, *fallback);
    }
  }
  return query;
}

std::vector<FieldError> check_schema(const json::value& schema, const json::value& value) {
  return SchemaCheck{schema}.run(value);
}

}  // namespace infernode::http
