#include "http/client.hpp"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fstream>
#include <optional>
#include <vector>

#include "http/message.hpp"

namespace infernode::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;

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
  std::optional<tcp::socket> socket;
  beast::flat_buffer buffer;

  void connect() {
    if (socket) {
      return;
    }
    tcp::socket fresh{context};
    fresh.connect(tcp::endpoint{asio::ip::make_address(host), port});
    fresh.set_option(tcp::no_delay{true});
    socket.emplace(std::move(fresh));
    buffer.clear();
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
    bhttp::read(*socket, buffer, parser);
    ClientResponse response = head_of(parser.get());
    response.body = std::move(parser.get().body());
    if (!parser.get().keep_alive()) {
      socket.reset();
    }
    return response;
  }

  // A kept connection may have been closed by the server meanwhile, so the first try is repeated.
  template <class Call>
  auto retrying(Call call) {
    const bool fresh = !socket;
    try {
      connect();
      return call();
    } catch (const boost::system::system_error& error) {
      socket.reset();
      if (fresh) {
        throw ClientError(fmt::format("{}:{}: {}", host, port, error.code().message()));
      }
    }
    try {
      connect();
      return call();
    } catch (const boost::system::system_error& error) {
      socket.reset();
      throw ClientError(fmt::format("{}:{}: {}", host, port, error.code().message()));
    }
  }
};

Client::Client(std::string host, std::uint16_t port) : state_{std::make_unique<State>()} {
  state_->host = std::move(host);
  state_->port = port;
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
    bhttp::write(*state_->socket, message);
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
  state_->socket.reset();
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
    bhttp::write_header(*state_->socket, serializer);
    asio::write(*state_->socket, asio::buffer(before));
    std::vector<char> piece(kTransferBytes);
    std::uint64_t sent = 0;
    boost::system::error_code error;
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
      asio::write(*state_->socket,
                  asio::buffer(piece.data(), static_cast<std::size_t>(in.gcount())), error);
      if (error) {
        break;  // the server may have answered already: read that instead
      }
      sent += static_cast<std::uint64_t>(in.gcount());
      if (progress) {
        progress(sent);
      }
    }
    if (!error) {
      asio::write(*state_->socket, asio::buffer(after), error);
    }
    return state_->receive(false);
  });
}

ClientResponse Client::download(const std::string& target, const std::filesystem::path& file) {
  return state_->retrying([&] {
    bhttp::request<bhttp::empty_body> message{bhttp::verb::get, target, 11};
    state_->prepare(message);
    bhttp::write(*state_->socket, message);
    bhttp::response_parser<bhttp::buffer_body> parser;
    parser.body_limit(boost::none);
    bhttp::read_header(*state_->socket, state_->buffer, parser);
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
      bhttp::read(*state_->socket, state_->buffer, parser, error);
      if (error && error != bhttp::error::need_buffer) {
        throw boost::system::system_error{error};
      }
      const std::size_t got = piece.size() - parser.get().body().size;
      if (good) {
        out.write(piece.data(), static_cast<std::streamsize>(got));
      } else {
        response.body.append(piece.data(), got);
      }
    }
    if (!parser.get().keep_alive()) {
      state_->socket.reset();
    }
    if (good) {
      out.close();
      if (!out) {
        throw ClientError(part.string() + " cannot be written");
      }
      std::filesystem::rename(part, file);
    }
    return response;
  });
}

}  // namespace infernode::http
