#include "core/json_schema.hpp"

#include <set>
#include <string>
#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

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

// A name as a JSON Pointer has it (RFC 6901).
std::string escaped(std::string_view name) {
  std::string result;
  for (const char c : name) {
    result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return result;
}

// valijson writes a place as "<root>", "[name]", "[0]".
std::string pointer(const std::vector<std::string>& context) {
  std::string result;
  for (const auto& part : context) {
    if (part.size() >= 2 && part.front() == '[') {
      result += "/" + escaped(std::string_view{part}.substr(1, part.size() - 2));
    }
  }
  return result;
}

// An error about a member is told at the member, in our words.
FieldError field_error(const valijson::ValidationResults::Error& error) {
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

}  // namespace

struct JsonSchema::Compiled {
  valijson::Schema schema;
};

JsonSchema::JsonSchema(json::value schema)
    : source_(std::move(schema)),  // braces would make it a list of one
      compiled_{std::make_unique<Compiled>()} {
  valijson::SchemaParser parser;
  const json::value fit = for_valijson(source_);
  parser.populateSchema(valijson::adapters::BoostJsonAdapter{fit}, compiled_->schema);
}

JsonSchema::~JsonSchema() = default;

std::vector<FieldError> JsonSchema::check(const json::value& value) const {
  valijson::Validator validator{valijson::Validator::kStrongTypes};
  valijson::ValidationResults results;
  std::vector<FieldError> errors;
  if (validator.validate(compiled_->schema, valijson::adapters::BoostJsonAdapter{value},
                         &results)) {
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

std::string joined_details(const std::vector<FieldError>& fields) {
  std::string text;
  for (const auto& field : fields) {
    text += (text.empty() ? "" : "; ") +
            (field.pointer.empty() ? field.detail : field.pointer + ": " + field.detail);
  }
  return text;
}

}  // namespace infernode
