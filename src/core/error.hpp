#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/tokens.hpp"

namespace infernode {

// What a caller can cause. One table (http/problem.cpp) says what they are over HTTP.
enum class ErrorCode {
  malformed,
  not_authenticated,
  insufficient_tokens,
  forbidden,
  registration_closed,
  not_found,
  conflict,
  price_changed,
  precondition_failed,
  checksum_mismatch,
  too_large,
  quota_exceeded,
  unsupported_media,
  invalid,
  too_many_requests,
  unavailable,
};

// One field of a request that is wrong. `pointer` is a JSON Pointer (RFC 6901) into the body, or
// `?name` for a query parameter.
struct FieldError {
  std::string pointer;
  std::string detail;
};

// Something the caller did wrong or has to wait for. The world's faults (database gone, disk full)
// are exceptions instead.
struct Error {
  ErrorCode code;
  std::string detail;
  std::vector<FieldError> fields{};
  std::optional<Tokens> required{};     // insufficient_tokens and price_changed only
  std::optional<Tokens> available{};    // insufficient_tokens only
  std::optional<int> retry_after{};     // seconds; too_many_requests only
  std::optional<std::int64_t> used{};   // bytes; quota_exceeded only
  std::optional<std::int64_t> quota{};  // bytes; likewise
};

// `invalid`, at one place.
inline Error invalid(std::string pointer, std::string detail) {
  Error error{ErrorCode::invalid, detail};
  error.fields.push_back(FieldError{std::move(pointer), std::move(detail)});
  return error;
}

// Thrown when Result::value() is called on an error: a bug of ours, not of the caller.
class UnhandledError : public std::logic_error {
public:
  using std::logic_error::logic_error;
};

[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location& /*where*/) {
  throw UnhandledError("unhandled error: " + error.detail);
}

// A value or the Error that kept it from coming to be.
template <class T>
struct [[nodiscard]] Result : boost::system::result<T, Error> {
  using boost::system::result<T, Error>::result;
};

// Thrown when the service cannot answer now but may later.
class Unavailable : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Thrown when there is no room left to store anything.
class StorageFull : public Unavailable {
public:
  using Unavailable::Unavailable;
};

}  // namespace infernode
