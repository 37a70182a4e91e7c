#include "http/client.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <fstream>
#include <optional>
#include <vector>

#include "core/address_set.hpp"
#include "http/message.hpp"
#include "http/outgoing.hpp"

namespace infernode::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;

// After so long without a word the server is asked whether it is still there.
constexpr std::chrono::duration<int> kQuiet{20};
constexpr std::size_t kTransferBytes = 256 * 1024;
constexpr const char* kBoundary = "infernode-client-boundary-7f2a90c1";

template <class Message>
ClientResponse head_of(const Message& message) {
  ClientResponse response;
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    response.headers[lower_case(field.name_string())] = std::string{field.value()};
  }
  return response;
}

}  // namespace

struct Client::State {
  std::string host;
  std::uint16_t port;
  std::string token;
  asio::io_context context;
  std::optional<ssl::context> tls;    // where the server is https
  std::optional<tcp::socket> socket;  // where it is not
  std::optional<ssl::stream<tcp::socket>> secured;
  beast::flat_buffer buffer;

  bool connected() const { return socket || secured; }
  void disconnect() {
    socket.reset();
    secured.reset();
  }
  // Calls `use` with the stream that there is.
  template <class Use>
  auto with_stream(Use use) {
    return secured ? use(*secured) : use(*socket);
  }

  void connect() {
    if (connected()) {
      return;
    }
    tcp::socket fresh{context};
    asio::connect(fresh, tcp::resolver{context}.resolve(host, std::to_string(port)));
    fresh.set_option(tcp::no_delay{true});
    fresh.set_option(asio::socket_base::keep_alive{true});
    const int quiet_seconds = kQuiet.count();
    const int probes = 3;
    const int patience = 1000 * quiet_seconds * (probes + 1);
    setsockopt(fresh.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &quiet_seconds, sizeof(int));
    setsockopt(fresh.native_handle(), IPPROTO_TCP, TCP_KEEPINTVL, &quiet_seconds, sizeof(int));
    setsockopt(fresh.native_handle(), IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(int));
    setsockopt(fresh.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(int));
    buffer.clear();
    if (!tls) {
      socket.emplace(std::move(fresh));
      return;
    }
    ssl::stream<tcp::socket> stream{std::move(fresh), *tls};
    stream.set_verify_callback(ssl::host_name_verification{host});
    if (!normalised_address(host)) {
      SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());
    }
    stream.handshake(ssl::stream_base::client);
    secured.emplace(std::move(stream));
  }

  template <class Body>
  void prepare(bhttp::request<Body>& message) const {
    const bool version_6 = host.find(':') != std::string::npos;
    message.set(bhttp::field::host, fmt::format("{0}{1}{2}:{3}", version_6 ? "[" : "", host,
                                                version_6 ? "]" : "", port));
    message.set(bhttp::field::user_agent, "infernode");
    if (!token.empty()) {
      message.set(bhttp::field::authorization, "Bearer " + token);
    }
  }

  ClientResponse receive(bool head_only) {
    bhttp::response_parser<bhttp::string_body> parser;
    parser.body_limit(boost::none);
    parser.skip(head_only);
    with_stream([&](auto& stream) { bhttp::read(stream, buffer, parser); });
    ClientResponse response = head_of(parser.get());
    response.body = std::move(parser.get().body());
    if (!parser.get().keep_alive()) {
      disconnect();
    }
    return response;
  }

  // A kept connection may have been closed by the server meanwhile, so the first try is repeated.
  template <class Call>
  auto retrying(Call call) {
    const bool fresh = !connected();
    try {
      connect();
      return call();
    } catch (const boost::system::system_error& error) {
      disconnect();
      if (fresh) {
        throw ClientError(fmt::format("{}:{}: {}", host, port, error.code().message()));
      }
    }
    try {
      connect();
      return call();
    } catch (const boost::system::system_error& error) {
      disconnect();
      throw ClientError(fmt::format("{}:{}: {}", host, port, error.code().message()));
    }
  }
};

Client::Client(std::string host, std::uint16_t port) : state_{std::make_unique<State>()} {
  state_->host = std::move(host);
  state_->port = port;
}

Client::Client(const OutgoingUrl& server) : Client{server.host, server.port} {
  if (server.target != "/") {
    throw ClientError("the server's URL has no path");
  }
  if (server.secure) {
    state_->tls.emplace(ssl::context::tls_client);
    state_->tls->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    state_->tls->set_default_verify_paths();
    state_->tls->set_verify_mode(ssl::verify_peer);
  }
}

Client::~Client() = default;

void Client::set_token(std::string token) {
  state_->token = std::move(token);
}

ClientResponse Client::request(const std::string& method, const std::string& target,
                               const std::string& body,
                               const std::map<std::string, std::string>& headers) {
  return state_->retrying([&] {
    bhttp::request<bhttp::string_body> message;
    message.method_string(method);
    message.target(target);
    message.version(11);
    state_->prepare(message);
    for (const auto& [name, value] : headers) {
      message.set(name, value);
    }
    message.body() = body;
    if (!body.empty()) {
      if (message.find(bhttp::field::content_type) == message.end()) {
        message.set(bhttp::field::content_type, "application/json");
      }
    }
    if (!body.empty() || method == "POST" || method == "PATCH") {
      message.content_length(body.size());
    }
    state_->with_stream([&](auto& stream) { bhttp::write(stream, message); });
    return state_->receive(method == "HEAD");
  });
}

ClientResponse Client::upload(const std::string& target, const std::filesystem::path& file,
                              const std::string& name,
                              const std::map<std::string, std::string>& headers,
                              const std::function<void(std::uint64_t)>& progress) {
  std::ifstream in{file, std::ios::binary};
  if (!in) {
    throw ClientError(file.string() + " cannot be read");
  }
  std::string before;
  if (!name.empty()) {
    before = fmt::format("--{}\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{}\r\n",
                         kBoundary, name);
  }
  before += fmt::format(
      "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\n",
      kBoundary, file.filename().string());
  const std::string after = fmt::format("\r\n--{}--\r\n", kBoundary);
  const std::uint64_t size = std::filesystem::file_size(file);
  // The body is sent by hand, so that a connection that had gone stale is noticed before it.
  state_->disconnect();
  return state_->retrying([&] {
    bhttp::request<bhttp::empty_body> message{bhttp::verb::post, target, 11};
    state_->prepare(message);
    message.set(bhttp::field::content_type,
                fmt::format("multipart/form-data; boundary={}", kBoundary));
    for (const auto& [header, value] : headers) {
      message.set(header, value);
    }
    message.content_length(before.size() + size + after.size());
    bhttp::request_serializer<bhttp::empty_body> serializer{message};
    state_->with_stream([&](auto& stream) {
      bhttp::write_header(stream, serializer);
      asio::write(stream, asio::buffer(before));
      std::vector<char> piece(kTransferBytes);
      std::uint64_t sent = 0;
      boost::system::error_code error;
      while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
        asio::write(stream, asio::buffer(piece.data(), static_cast<std::size_t>(in.gcount())),
                    error);
        if (error) {
          break;  // the server may have answered already: read that instead
        }
        sent += static_cast<std::uint64_t>(in.gcount());
        if (progress) {
          progress(sent);
        }
      }
      if (!error) {
        asio::write(stream, asio::buffer(after), error);
      }
    });
    return state_->receive(false);
  });
}

ClientResponse Client::download(const std::string& target, const std::filesystem::path& file) {
  return state_->retrying([&] {
    bhttp::request<bhttp::empty_body> message{bhttp::verb::get, target, 11};
    state_->prepare(message);
    bhttp::response_parser<bhttp::buffer_body> parser;
    parser.body_limit(boost::none);
    state_->with_stream([&](auto& stream) {
      bhttp::write(stream, message);
      bhttp::read_header(stream, state_->buffer, parser);
    });
    ClientResponse response = head_of(parser.get());
    const bool good = response.status == 200 || response.status == 206;
    const std::filesystem::path part = file.string() + ".part";
    std::ofstream out;
    if (good) {
      out.open(part, std::ios::binary | std::ios::trunc);
    }
    std::vector<char> piece(kTransferBytes);
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      boost::system::error_code error;
      state_->with_stream(
          [&](auto& stream) { bhttp::read(stream, state_->buffer, parser, error); });
      if (error && error != bhttp::error::need_buffer) {
        throw boost::system::system_error{error};
      }
      const std::size_t got = piece.size() - parser.get().body().size;
      if (good) {
        if (!out.write(piece.data(), static_cast<std::streamsize>(got))) {
          state_->disconnect();
          throw FileError(part.string() + " cannot be written");
        }
      } else {
        response.body.append(piece.data(), got);
      }
    }
    if (!parser.get().keep_alive()) {
      state_->disconnect();
    }
    if (good) {
      out.close();
      if (!out) {
        throw FileError(part.string() + " cannot be written");
      }
      std::filesystem::rename(part, file);
    }
    return response;
  });
}

}  // namespace infernode::http
