#pragma once

#include <boost/json.hpp>
#include <memory>
#include <vector>

#include "core/error.hpp"

namespace infernode {

// A compiled JSON Schema without references inside.
class JsonSchema {
public:
  // Throws std::exception for a schema that is not sound.
  explicit JsonSchema(boost::json::value schema);
  ~JsonSchema();
  JsonSchema(const JsonSchema&) = delete;
  JsonSchema& operator=(const JsonSchema&) = delete;

  // What is wrong with a value, an entry a place, at most 20; none when it fits.
  std::vector<FieldError> check(const boost::json::value& value) const;
  const boost::json::value& source() const { return source_; }

private:
  struct Compiled;

  boost::json::value source_;
  std::unique_ptr<Compiled> compiled_;
};

// All of them in one sentence.
std::string joined_details(const std::vector<FieldError>& fields);

}  // namespace infernode
