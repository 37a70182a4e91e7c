#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/id.hpp"

namespace infernode {
struct User;  // accounts/user.hpp; here it is only handed on
}

namespace infernode::http {

namespace asio = boost::asio;

struct Route;

// Who sent a request.
struct Principal {
  UserId id;
  bool is_admin = false;
  std::shared_ptr<const User> user{};  // as read for this request
  // What an API key may do; none: whatever its user may.
  std::optional<std::vector<std::string>> scopes{};
};

// The peer went away: there is nobody to answer.
class PeerGone : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A body that breaks HTTP's own rules. what() is for the client.
class BadBody : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A request's body as it arrives.
class BodyStream {
public:
  virtual ~BodyStream() = default;
  // Waits for some bytes and copies them into `buffer`. 0 means that the body has ended. Throws
  // PeerGone and BadBody.
  virtual asio::awaitable<std::size_t> read(std::span<std::byte> buffer) = 0;
  // Whether the peer has gone away, as far as its machine has said so.
  virtual bool peer_gone() const = 0;
  // What Content-Length says; nullopt for a chunked body.
  virtual std::optional<std::uint64_t> content_length() const = 0;
};

struct Request {
  bool http_1_0 = false;
  std::string method;
  std::string path;                            // without the query, still percent-encoded
  std::string query_string;                    // without the question mark
  std::map<std::string, std::string> headers;  // names in lower case
  std::string request_id;                      // X-Request-Id
  std::string address;                         // of the client: 192.0.2.1
  bool from_proxy = false;                     // that is trusted: its forwarding headers count
  BodyStream* stream = nullptr;

  // Filled by the router before the handler runs.
  const Route* route = nullptr;  // http/router.hpp; nullptr: there is none
  std::map<std::string, std::string> path_params;
  boost::json::object query;  // typed and checked against the API document
  boost::json::value body;    // a JSON body, checked against the API document
  std::optional<Principal> principal;
  // What the request was counted against, as the fields RateLimit-Policy and RateLimit say it.
  std::string rate_policies;
  std::string rates;

  // The header's value, or empty.
  std::string header(const std::string& lower_case_name) const {
    const auto found = headers.find(lower_case_name);
    return found == headers.end() ? std::string{} : found->second;
  }
  UserId user() const { return principal.value().id; }
  // The id in the path. One that is none is one that does not exist.
  template <class IdType>
  IdType id(const std::string& name = "id") const {
    return IdType::parse(path_params.at(name)).value_or(IdType{});
  }
  // A query parameter that is text.
  std::optional<std::string> query_text(std::string_view name) const {
    const auto* value = query.if_contains(name);
    return value == nullptr ? std::nullopt
                            : std::optional{boost::json::value_to<std::string>(*value)};
  }
};

// A connection that has become a WebSocket (RFC 6455). Of text messages only. Several coroutines
// may read and write at once, one each.
class WebSocket {
public:
  virtual ~WebSocket() = default;
  // The next message; nullopt when the peer has gone, sent what is no message of at most 4 KiB, or,
  // with a limit, nothing in that time.
  virtual asio::awaitable<std::optional<std::string>> read(
      std::optional<std::chrono::seconds> limit = {}) = 0;
  // Throws PeerGone.
  virtual asio::awaitable<void> write(std::string text) = 0;
  // Asks for a sign of life. Throws PeerGone, also when there was none for a minute.
  virtual asio::awaitable<void> ping() = 0;
  // Ends it, also what reads; of RFC 6455, 7.4.1, the reason of 123 bytes at most.
  virtual asio::awaitable<void> close(std::uint16_t code, std::string reason) = 0;
};

// Gives the next piece of a body; an empty piece is the end.
using BodySource = std::function<asio::awaitable<std::string>()>;

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // When set, the body comes from here instead. With content_length exactly that many bytes must
  // come, otherwise the answer is sent chunked.
  BodySource source{};
  std::optional<std::uint64_t> content_length{};
  // When set, the connection becomes a WebSocket, and ends with this.
  std::function<asio::awaitable<void>(WebSocket&)> web_socket{};
};

// A handler may keep the reference until it finishes: the session owns the request.
using Handler = std::function<asio::awaitable<Result<Response>>(Request&)>;

// ASCII letters in lower case, as names of headers are compared.
std::string lower_case(std::string_view text);

// Whether a comma-separated list holds the token, in any case (RFC 9110, 5.6.1).
bool lists(std::string_view list, std::string_view token);
// Whether If-None-Match names this tag, as it must be compared there (weakly), or any.
bool names_tag(std::string_view if_none_match, std::string_view tag);
// The media type of a Content-Type, in lower case and without parameters.
std::string media_type(std::string_view content_type);

Response json_response(int status, const boost::json::value& value);
// Of JSON that is text already.
Response json_text_response(int status, std::string text);
// 204
Response no_content();
Response jpeg_response(std::span<const std::byte> jpeg);

}  // namespace infernode::http
