#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace infernode::http {

// The API document (OpenAPI 3.1, YAML), and the checks of requests against it. Every `$ref` inside
// the document is resolved when it is read.
class ApiDocument {
public:
  enum class Access { anyone, user, admin };   // security: [], [{bearer: []}], [{bearer: [admin]}]
  enum class BodyKind { none, json, stream };  // stream: anything but JSON
  // Room for a thousand ids, or fifty tags of escaped characters, however they are laid out.
  static constexpr std::size_t kMaxJsonBytes = 128 * 1024;

  struct Operation {
    std::string method;  // "GET"
    std::string path;    // with the server's base path: "/api/v1/users/me"
    std::string id;      // operationId
    Access access = Access::user;
    std::string scope{};  // of an API key, beside admin: [{bearer: [read]}]; empty: no key may
    BodyKind body = BodyKind::none;
    std::size_t max_bytes = kMaxJsonBytes;  // of a JSON body: its x-max-bytes
    bool unlimited = false;                 // by the rates of users and addresses: its x-unlimited
    // Whether POST with X-HTTP-Method-Override stands for it: its x-override.
    bool overriding = false;
    // Fields that every answer has, also a refusal: its x-answer-fields.
    std::vector<std::pair<std::string, std::string>> answer_fields{};
  };

  // The embedded file `path`. Throws std::runtime_error for a document that is not sound.
  explicit ApiDocument(const std::string& path);
  ~ApiDocument();
  ApiDocument(const ApiDocument&) = delete;
  ApiDocument& operator=(const ApiDocument&) = delete;

  // The document as JSON text.
  const std::string& text() const { return text_; }
  const std::vector<Operation>& operations() const { return operations_; }
  // Throws std::out_of_range.
  const Operation& operation(const std::string& id) const;

  // Checks a JSON body against the operation's schema. The Error is `invalid`, with one entry for
  // each thing that is wrong. An operation without a JSON body takes anything.
  Result<void> check_body(const std::string& operation_id, const boost::json::value& body) const;
  // Reads the query string by the operation's parameters: each value gets its parameter's type,
  // defaults are filled in, unknown names are refused.
  Result<boost::json::object> parse_query(const std::string& operation_id,
                                          std::string_view query_string) const;

private:
  struct Checks;

  std::string text_;
  std::vector<Operation> operations_;
  std::map<std::string, std::unique_ptr<Checks>> checks_;
};

}  // namespace infernode::http
