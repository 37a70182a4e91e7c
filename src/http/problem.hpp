#pragma once

#include <string>

#include "core/error.hpp"
#include "http/message.hpp"

namespace infernode::http {

// RFC 9457 problem document for an error that the caller caused.
Response problem_response(const Error& error, const std::string& request_id);
// 500 for a fault of ours; says nothing of its cause.
Response internal_error_response(const std::string& request_id);
// For a request that is none: 400, 408, 414, 417, 431, 501 or 505.
Response head_fault_response(int status, const std::string& detail, const std::string& request_id);
// 405, with what is possible.
Response method_not_allowed_response(const std::string& method, const std::string& allowed,
                                     const std::string& request_id);
// 426: what is here is spoken over another protocol.
Response upgrade_response(const std::string& protocol, const std::string& request_id);
// 416 for content of `size` bytes.
Response range_response(std::int64_t size, const std::string& request_id);
// 507 with Retry-After.
Response storage_full_response(const std::string& request_id);
// 503 with Retry-After.
Response unavailable_response(const std::string& request_id);

}  // namespace infernode::http
