#include "http/outgoing.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
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
#include "core/log.hpp"
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
constexpr std::size_t kMostAddresses = 4;
constexpr std::chrono::seconds kConnectPatience{4};
// With the wait for a place.
constexpr std::chrono::seconds kLookupPatience{40};
// Of one question to one name server, which is asked once.
constexpr int kAnswerSeconds = 3;
// Then the system's authorities are read again.
constexpr std::chrono::hours kAuthoritiesLife{1};

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

// To the first address that answers, each in a time of its own.
asio::awaitable<void> connect(beast::tcp_stream& stream, const std::vector<std::string>& addresses,
                              std::uint16_t port) {
  for (std::size_t i = 0;; ++i) {
    const tcp::endpoint endpoint{ip::make_address(addresses[i]), port};
    stream.expires_after(kConnectPatience);
    boost::system::error_code error;
    co_await stream.async_connect(endpoint, asio::redirect_error(use_awaitable, error));
    if (!error) {
      co_return;
    }
    if (i + 1 == addresses.size()) {
      throw boost::system::system_error{error};
    }
    stream.close();
  }
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
  // For this thread. The name is whole: what the machine's own domains have is nobody's business.
  if (res_init() == 0) {
    _res.retrans = kAnswerSeconds;
    _res.retry = 1;
    _res.options &= ~static_cast<unsigned long>(RES_DNSRCH | RES_DEFNAMES);
  }
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
  const auto began = std::chrono::steady_clock::now();
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
      log::debug("{} was not found: {}", host, error.what());
    }
  }
  const auto refused = std::remove_if(addresses.begin(), addresses.end(),
                                      [this](const std::string& each) { return !may_reach(each); });
  addresses.erase(refused, addresses.end());
  if (addresses.empty()) {
    // The same for a name that is none, so that nobody learns what names there are in our network.
    throw ClientError(fmt::format("{} has no address that this server calls", host));
  }
  if (std::chrono::steady_clock::now() - began > kLookupPatience) {
    throw ClientError(fmt::format("{} was not found in time", host));
  }
  addresses.resize(std::min(addresses.size(), kMostAddresses));
  co_return addresses;
}

std::shared_ptr<ssl::context> Outgoing::authorities() {
  const auto now = std::chrono::steady_clock::now();
  if (!authorities_ || now - authorities_read_ > kAuthoritiesLife) {
    auto fresh = std::make_shared<ssl::context>(ssl::context::tls_client);
    fresh->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    fresh->set_verify_mode(ssl::verify_peer);
    fresh->set_default_verify_paths();
    authorities_ = std::move(fresh);
    authorities_read_ = now;
  }
  return authorities_;
}

asio::awaitable<int> Outgoing::post(std::string user, OutgoingUrl url,
                                    std::map<std::string, std::string> headers, std::string body,
                                    std::chrono::steady_clock::duration patience) {
  const auto addresses = co_await addresses_of(std::move(user), url.host);
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
      co_await connect(stream, addresses, url.port);
      stream.expires_after(patience);  // of all that is done from here on
      doing = "waiting for an answer";
      co_return co_await ask(stream, request);
    }
    const auto context = authorities();
    beast::ssl_stream<beast::tcp_stream> stream{executor_, *context};
    stream.set_verify_callback(ssl::host_name_verification{url.host});
    if (!normalised_address(url.host)) {
      SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
    }
    co_await connect(beast::get_lowest_layer(stream), addresses, url.port);
    beast::get_lowest_layer(stream).expires_after(patience);
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
