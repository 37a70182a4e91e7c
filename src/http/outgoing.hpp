#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/address_set.hpp"
#include "core/error.hpp"
#include "core/fair_slots.hpp"

namespace infernode::http {

namespace asio = boost::asio;

// Where a request of ours goes.
struct OutgoingUrl {
  bool secure = false;  // https
  std::string host;     // a name, or an address without brackets
  std::uint16_t port = 0;
  std::string target;     // path and query
  std::string authority;  // for the Host field
};

// `http` or `https`, a host, perhaps a port, path and query; without a user, for that would stand
// in logs, and without a fragment. The error is `invalid`; its text says what is wrong.
Result<OutgoingUrl> parse_outgoing_url(std::string_view text);

// The addresses of a host. Throws std::runtime_error.
using HostLookup = std::function<std::vector<std::string>(const std::string& host)>;
std::vector<std::string> look_up_host(const std::string& host);

// Requests to servers that users name: to public addresses and `allowed` ones alone. What a name
// resolves to is looked up once, checked, and that very address is connected to; redirects are
// not followed. Certificates are checked against the system's authorities.
class Outgoing {
public:
  // `executor` runs on one thread.
  explicit Outgoing(asio::any_io_executor executor, AddressSet allowed,
                    HostLookup look_up = look_up_host);
  ~Outgoing();
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  bool may_reach(const std::string& address) const;
  // parse_outgoing_url(), and no address that may not be reached.
  Result<OutgoingUrl> parse(std::string_view text) const;
  // POSTs JSON and returns the status of the answer, whose body is not read. `user`: whose request
  // it is; each has a name looked up at a time. It takes `patience` at most from when a connection
  // is made, and that a minute at most. Throws ClientError, whose text may be shown to the user.
  asio::awaitable<int> post(std::string user, OutgoingUrl url,
                            std::map<std::string, std::string> headers, std::string body,
                            std::chrono::steady_clock::duration patience);

private:
  asio::awaitable<std::vector<std::string>> addresses_of(std::string user, std::string host);
  std::shared_ptr<asio::ssl::context> authorities();

  asio::any_io_executor executor_;
  AddressSet allowed_;
  HostLookup look_up_;
  FairSlots lookups_;
  asio::thread_pool threads_;
  std::shared_ptr<asio::ssl::context> authorities_;  // once it is needed: reading it takes 30 ms
  std::chrono::steady_clock::time_point authorities_read_{};
};

}  // namespace infernode::http
