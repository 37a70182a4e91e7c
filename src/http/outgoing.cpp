#include "http/outgoing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/parse.hpp>
#include <charconv>

#include "core/blocking.hpp"
#include "http/client.hpp"

namespace infernode::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace ip = boost::asio::ip;
namespace ssl = boost::asio::ssl;
using asio::use_awaitable;
using ip::tcp;

constexpr int kLookups = 4;
constexpr std::uint32_t kMostAnswerHead = 16 * 1024;
constexpr std::size_t kMostAddresses = 8;

Error wrong(std::string detail) {
  return {ErrorCode::invalid, std::move(detail)};
}

using PostRequest = bhttp::request<bhttp::string_body>;

template <class Stream>
asio::awaitable<int> ask(Stream& stream, const PostRequest& request) {
  co_await bhttp::async_write(stream, request, use_awaitable);
  beast::flat_buffer buffer;
  for (;;) {
    bhttp::response_parser<bhttp::empty_body> parser;
    parser.header_limit(kMostAnswerHead);
    co_await bhttp::async_read_header(stream, buffer, parser, use_awaitable);
    const int status = static_cast<int>(parser.get().result_int());
    if (status / 100 != 1) {  // what is said on the way is not the answer (RFC 9110, 15.2)
      co_return status;
    }
  }
}

std::string reason_of(const boost::system::error_code& error) {
  if (error == beast::error::timeout) {
    return "it took too long";
  }
  return error.message();
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

}  // namespace

Result<OutgoingUrl> parse_outgoing_url(std::string_view text) {
  const auto parsed = boost::urls::parse_uri(boost::urls::string_view{text.data(), text.size()});
  if (!parsed) {
    return wrong("is no URL such as https://example.com/ended");
  }
  OutgoingUrl url;
  url.secure = parsed->scheme_id() == boost::urls::scheme::https;
  if (!url.secure && parsed->scheme_id() != boost::urls::scheme::http) {
    return wrong("begins with https:// or http://");
  }
  if (parsed->has_userinfo()) {
    return wrong("has no user or password in it");
  }
  if (parsed->has_fragment()) {
    return wrong("has no #fragment");
  }
  url.host = std::string{parsed->encoded_host()};
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  if (url.host.empty() || url.host.size() > 255 || url.host.find('%') != std::string::npos) {
    return wrong("names a host, in ASCII");
  }
  url.port = url.secure ? 443 : 80;
  if (parsed->has_port() && !parsed->port().empty()) {
    const std::string port{parsed->port()};
    url.port = 0;
    const auto read = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (read.ec != std::errc{} || url.port == 0) {
      return wrong("has a port from 1 to 65535");
    }
  }
  url.target = std::string{parsed->encoded_path()};
  if (url.target.empty()) {
    url.target = "/";
  }
  if (parsed->has_query()) {
    url.target += "?" + std::string{parsed->encoded_query()};
  }
  url.authority = std::string{parsed->encoded_host_and_port()};
  return url;
}

std::vector<std::string> look_up_host(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &found); failed != 0) {
    throw std::runtime_error(gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list{found};
  std::vector<std::string> addresses;
  for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text);
    }
  }
  return addresses;
}

Outgoing::Outgoing(asio::any_io_executor executor, AddressSet allowed, HostLookup look_up)
    : executor_{executor},
      allowed_{std::move(allowed)},
      look_up_{std::move(look_up)},
      lookups_{executor, kLookups, 1},
      threads_{kLookups} {}

Outgoing::~Outgoing() {
  threads_.join();
}

bool Outgoing::may_reach(const std::string& address) const {
  const auto normalised = normalised_address(address);
  return normalised && (is_public_address(*normalised) || allowed_.contains(*normalised));
}

Result<OutgoingUrl> Outgoing::parse(std::string_view text) const {
  auto url = parse_outgoing_url(text);
  if (url && normalised_address(url->host) && !may_reach(url->host)) {
    return wrong("names an address that this server does not call: " + url->host);
  }
  return url;
}

asio::awaitable<std::vector<std::string>> Outgoing::addresses_of(std::string user,
                                                                 std::string host) {
  std::vector<std::string> addresses;
  if (normalised_address(host)) {
    addresses.push_back(host);
  } else {
    auto never = std::make_shared<Cancellation>();
    const auto slot = co_await lookups_.acquire(std::move(user), std::move(never));
    auto looking = [look_up = look_up_, host] { return look_up(host); };
    try {
      addresses = co_await run_blocking(threads_, std::move(looking));
    } catch (const std::exception& error) {
      throw ClientError(fmt::format("{} was not found: {}", host, error.what()));
    }
  }
  const auto refused =
      std::stable_partition(addresses.begin(), addresses.end(),
                            [this](const std::string& address) { return may_reach(address); });
  if (refused == addresses.begin()) {
    throw ClientError(
        refused == addresses.end()
            ? fmt::format("{} has no address", host)
            : fmt::format("{} is {}, an address that this server does not call", host, *refused));
  }
  addresses.erase(refused, addresses.end());
  addresses.resize(std::min(addresses.size(), kMostAddresses));
  co_return addresses;
}

asio::awaitable<int> Outgoing::post(std::string user, OutgoingUrl url,
                                    std::map<std::string, std::string> headers, std::string body,
                                    std::chrono::steady_clock::duration patience) {
  const auto addresses = co_await addresses_of(std::move(user), url.host);
  std::vector<tcp::endpoint> endpoints;
  for (const auto& address : addresses) {
    endpoints.emplace_back(ip::make_address(address), url.port);
  }
  PostRequest request{bhttp::verb::post, url.target, 11};
  request.set(bhttp::field::host, url.authority);
  request.set(bhttp::field::user_agent, "InferNode");
  request.set(bhttp::field::content_type, "application/json");
  request.set(bhttp::field::connection, "close");
  for (const auto& [name, value] : headers) {
    request.set(name, value);
  }
  request.body() = std::move(body);
  request.prepare_payload();
  std::string doing = "connecting";
  try {
    if (!url.secure) {
      beast::tcp_stream stream{executor_};
      stream.expires_after(patience);
      co_await stream.async_connect(endpoints, use_awaitable);
      doing = "waiting for an answer";
      co_return co_await ask(stream, request);
    }
    ssl::context context{ssl::context::tls_client};
    context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    context.set_default_verify_paths();
    context.set_verify_mode(ssl::verify_peer);
    beast::ssl_stream<beast::tcp_stream> stream{executor_, context};
    stream.set_verify_callback(ssl::host_name_verification{url.host});
    if (!normalised_address(url.host)) {
      SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
    }
    beast::get_lowest_layer(stream).expires_after(patience);
    co_await beast::get_lowest_layer(stream).async_connect(endpoints, use_awaitable);
    doing = "agreeing on encryption";
    co_await stream.async_handshake(ssl::stream_base::client, use_awaitable);
    doing = "waiting for an answer";
    co_return co_await ask(stream, request);
  } catch (const boost::system::system_error& error) {
    throw ClientError(
        fmt::format("{}:{}, {}: {}", url.host, url.port, doing, reason_of(error.code())));
  }
}

}  // namespace infernode::http
