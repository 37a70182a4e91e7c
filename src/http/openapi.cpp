#include "http/openapi.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <stdexcept>

#include "core/json.hpp"
#include "core/json_schema.hpp"
#include "core/yaml.hpp"

namespace infernode::http {
namespace {

namespace json = boost::json;

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

// No request of ours needs more.
constexpr std::size_t kMaxQueryPairs = 100;

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

// name=value pairs in order (application/x-www-form-urlencoded); nullopt for what is malformed, or
// more pairs than there may be. Our own, since the parameter
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
    if (pairs.size() == kMaxQueryPairs) {
      return std::nullopt;
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
  } else if (type == "number") {
    double number = 0;
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end && std::isfinite(number)) {
      return number;
    }
  } else if (type == "boolean" && (text == "true" || text == "false")) {
    return text == "true";
  }
  return json::value(text);  // a wrong type is then found by the schema
}

// Without a word of its own, an operation is for every user who has logged in.
void read_security(const json::object& operation, ApiDocument::Operation& entry) {
  const auto* security = operation.if_contains("security");
  if (security == nullptr) {
    return;
  }
  if (security->as_array().empty()) {
    entry.access = ApiDocument::Access::anyone;
    return;
  }
  for (const auto& role : security->as_array().front().at("bearer").as_array()) {
    if (role.as_string() == "admin") {
      entry.access = ApiDocument::Access::admin;
    } else {
      entry.scope = json::value_to<std::string>(role);
    }
  }
}

ApiDocument::BodyKind body_of(const json::object& operation) {
  const auto* body = operation.if_contains("requestBody");
  if (body == nullptr) {
    return ApiDocument::BodyKind::none;
  }
  return body->at("content").as_object().contains("application/json")
             ? ApiDocument::BodyKind::json
             : ApiDocument::BodyKind::stream;
}

}  // namespace

struct ApiDocument::Checks {
  std::unique_ptr<JsonSchema> body;
  json::object parameters;  // name -> schema
  std::unique_ptr<JsonSchema> query;
};

ApiDocument::ApiDocument(const std::string& path) {
  const json::value document = parse_embedded_yaml(path);
  text_ = json_text(document);
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
      read_security(operation.as_object(), entry);
      entry.body = body_of(operation.as_object());
      boost::system::error_code absent;
      if (const auto* most = operation.find_pointer("/requestBody/x-max-bytes", absent)) {
        entry.max_bytes = json::value_to<std::size_t>(*most);
      }
      entry.unlimited = operation.as_object().contains("x-unlimited");
      entry.overriding = operation.as_object().contains("x-override");
      if (const auto* fields = operation.as_object().if_contains("x-answer-fields")) {
        for (const auto& [name, value] : fields->as_object()) {
          entry.answer_fields.emplace_back(name, json::value_to<std::string>(value));
        }
      }
      auto checks = std::make_unique<Checks>();
      if (const auto* schema =
              operation.find_pointer("/requestBody/content/application~1json/schema", absent)) {
        checks->body = std::make_unique<JsonSchema>(*schema);
      }
      json::array needed;
      if (const auto* parameters = operation.as_object().if_contains("parameters")) {
        for (const auto& parameter : parameters->as_array()) {
          if (parameter.at("in").as_string() == "query") {
            checks->parameters.emplace(parameter.at("name").as_string(), parameter.at("schema"));
            const auto* required = parameter.as_object().if_contains("required");
            if (required != nullptr && required->as_bool()) {
              needed.push_back(parameter.at("name"));
            }
          }
        }
      }
      const json::value query_schema{
          {"type", "object"}, {"properties", checks->parameters}, {"required", needed}};
      checks->query = std::make_unique<JsonSchema>(query_schema);
      if (!checks_.emplace(entry.id, std::move(checks)).second) {
        throw std::runtime_error("the API document has two operations " + entry.id);
      }
      operations_.push_back(std::move(entry));
    }
  }
}

ApiDocument::~ApiDocument() = default;

const ApiDocument::Operation& ApiDocument::operation(const std::string& id) const {
  for (const auto& operation : operations_) {
    if (operation.id == id) {
      return operation;
    }
  }
  throw std::out_of_range("the API document has no operation " + id);
}

Result<void> ApiDocument::check_body(const std::string& operation_id,
                                     const json::value& body) const {
  const auto& checks = checks_.at(operation_id);
  if (!checks->body) {
    return {};
  }
  auto errors = checks->body->check(body);
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
    return Error{ErrorCode::malformed,
                 fmt::format("The query string is malformed: it has name=value pairs, {} at most, "
                             "in UTF-8, percent-encoded.",
                             kMaxQueryPairs)};
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
  auto errors = checks->query->check(query);
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

}  // namespace infernode::http
