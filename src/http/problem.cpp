#include "http/problem.hpp"

#include <cctype>

#include "core/blanks.hpp"
#include "core/json.hpp"

namespace infernode::http {
namespace {

constexpr int kRetrySeconds = 2;
constexpr int kFullRetrySeconds = 30;

struct Kind {
  int status;
  const char* slug;
  const char* title;
};

Kind kind_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::malformed:
      return {400, "malformed-request", "Malformed request"};
    case ErrorCode::not_authenticated:
      return {401, "not-authenticated", "Not authenticated"};
    case ErrorCode::insufficient_tokens:
      return {402, "insufficient-tokens", "Insufficient tokens"};
    case ErrorCode::forbidden:
      return {403, "forbidden", "Forbidden"};
    case ErrorCode::registration_closed:
      return {403, "registration-closed", "Registration closed"};
    case ErrorCode::not_found:
      return {404, "not-found", "Not found"};
    case ErrorCode::price_changed:
      return {409, "price-changed", "Price changed"};
    case ErrorCode::conflict:
      return {409, "conflict", "Conflict"};
    case ErrorCode::precondition_failed:
      return {412, "precondition-failed", "Precondition failed"};
    case ErrorCode::checksum_mismatch:  // a status of tus 1.0.0
      return {460, "checksum-mismatch", "Checksum mismatch"};
    case ErrorCode::too_large:
      return {413, "too-large", "Too large"};
    case ErrorCode::quota_exceeded:
      return {413, "quota-exceeded", "Quota exceeded"};
    case ErrorCode::unsupported_media:
      return {415, "unsupported-media", "Unsupported media"};
    case ErrorCode::invalid:
      return {422, "invalid-request", "Invalid request"};
    case ErrorCode::too_many_requests:
      return {429, "too-many-requests", "Too many requests"};
    case ErrorCode::unavailable:
      return {503, "unavailable", "Service unavailable"};
  }
  return {500, "internal-error", "Internal error"};
}

Response document(const Kind& kind, const std::string& detail, const std::string& request_id,
                  boost::json::object more = {}) {
  boost::json::object problem{{"type", std::string{"/problems/"} + kind.slug},
                              {"title", kind.title},
                              {"status", kind.status},
                              {"detail", detail},
                              {"instance", request_id}};
  for (auto& member : more) {
    problem.insert(member);
  }
  Response response = json_response(kind.status, problem);
  response.headers = {{"Content-Type", "application/problem+json"}};
  return response;
}

}  // namespace

bool lists(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (lower_case(without_blanks(list.substr(0, comma))) == token) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool names_tag(std::string_view if_none_match, std::string_view tag) {
  return without_blanks(if_none_match) == "*" ||
         (!tag.empty() && if_none_match.find(tag) != std::string_view::npos);
}

std::string media_type(std::string_view content_type) {
  return lower_case(without_blanks(content_type.substr(0, content_type.find(';'))));
}

std::string lower_case(std::string_view text) {
  std::string result{text};
  for (char& letter : result) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return result;
}

Response json_response(int status, const boost::json::value& value) {
  return json_text_response(status, json_text(value));
}

Response json_text_response(int status, std::string text) {
  Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(text);
  return response;
}

Response no_content() {
  Response response;
  response.status = 204;
  return response;
}

Response jpeg_response(std::span<const std::byte> jpeg) {
  Response response;
  response.headers.emplace_back("Content-Type", "image/jpeg");
  response.body.assign(reinterpret_cast<const char*>(jpeg.data()), jpeg.size());
  return response;
}

Response head_fault_response(int status, const std::string& detail, const std::string& request_id) {
  switch (status) {
    case 408:
      return document({408, "request-timeout", "Request timeout"}, detail, request_id);
    case 414:
      return document({414, "target-too-long", "Target too long"}, detail, request_id);
    case 417:
      return document({417, "expectation-failed", "Expectation failed"}, detail, request_id);
    case 431:
      return document({431, "fields-too-large", "Fields too large"}, detail, request_id);
    case 501:
      return document({501, "not-implemented", "Not implemented"}, detail, request_id);
    case 505:
      return document({505, "version-not-supported", "Version not supported"}, detail, request_id);
    default:
      return problem_response(Error{ErrorCode::malformed, detail}, request_id);
  }
}

Response method_not_allowed_response(const std::string& method, const std::string& allowed,
                                     const std::string& request_id) {
  Response response = document({405, "method-not-allowed", "Method not allowed"},
                               method + " is not possible here; possible: " + allowed, request_id);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

Response upgrade_response(const std::string& protocol, const std::string& request_id) {
  Response response = document({426, "upgrade-required", "Upgrade required"},
                               "This is spoken over " + protocol + ".", request_id);
  response.headers.emplace_back("Upgrade", protocol);
  response.headers.emplace_back("Connection", "Upgrade");  // RFC 9110, 7.8
  return response;
}

Response range_response(std::int64_t size, const std::string& request_id) {
  const std::string bytes = std::to_string(size);
  Response response =
      document({416, "range-not-satisfiable", "Range not satisfiable"},
               "The range lies outside of the " + bytes + " bytes there are.", request_id);
  response.headers.emplace_back("Content-Range", "bytes */" + bytes);
  return response;
}

Response storage_full_response(const std::string& request_id) {
  Response response =
      document({507, "storage-full", "Storage full"},
               "The installation has no room left to store this; nothing was changed.", request_id);
  response.headers.emplace_back("Retry-After", std::to_string(kFullRetrySeconds));
  return response;
}

Response problem_response(const Error& error, const std::string& request_id) {
  boost::json::object more;
  if (!error.fields.empty()) {
    boost::json::array errors;
    for (const auto& field : error.fields) {
      errors.push_back(boost::json::object{{"pointer", field.pointer}, {"detail", field.detail}});
    }
    more.emplace("errors", std::move(errors));
  }
  if (error.required) {
    more.emplace("required", json_tokens(*error.required));
  }
  if (error.available) {
    more.emplace("available", json_tokens(*error.available));
  }
  if (error.used) {
    more.emplace("used", *error.used);
  }
  if (error.quota) {
    more.emplace("quota", *error.quota);
  }
  Response response = document(kind_of(error.code), error.detail, request_id, std::move(more));
  if (error.code == ErrorCode::not_authenticated) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  if (error.code == ErrorCode::unavailable || error.code == ErrorCode::too_many_requests) {
    response.headers.emplace_back("Retry-After",
                                  std::to_string(error.retry_after.value_or(kRetrySeconds)));
  }
  return response;
}

Response internal_error_response(const std::string& request_id) {
  return document({500, "internal-error", "Internal error"},
                  "Something failed on our side; the request id names it in the server's log.",
                  request_id);
}

Response unavailable_response(const std::string& request_id) {
  const Error error{ErrorCode::unavailable,
                    "The server cannot answer right now; try again in a moment."};
  return problem_response(error, request_id);
}

}  // namespace infernode::http
