#include "http/listening_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace infernode::http {
namespace {

using boost::asio::ip::tcp;

constexpr int kFirstInherited = 3;

tcp::endpoint endpoint_of(int descriptor) {
  tcp::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (getsockname(descriptor, endpoint.data(), &size) != 0) {
    throw std::runtime_error(fmt::format("getsockname: {}", std::strerror(errno)));
  }
  endpoint.resize(size);
  return endpoint;
}

int option(int descriptor, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// The number in an environment variable; nullopt for anything else.
std::optional<int> number(const char* variable) {
  const char* text = std::getenv(variable);
  const std::string_view digits{text == nullptr ? "" : text};
  int value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = read.ec == std::errc{} && read.ptr == digits.data() + digits.size();
  return whole ? std::optional{value} : std::nullopt;
}

}  // namespace

ListeningSocket ListeningSocket::bind(const std::string& host, std::uint16_t port) {
  boost::system::error_code error;
  const auto address =
      boost::asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error) {
    throw std::runtime_error(fmt::format(
        "INFERNODE_HOST={}: should be an IP address to listen on, such as 127.0.0.1 or 0.0.0.0",
        host));
  }
  const tcp::endpoint endpoint{address, port};
  ListeningSocket made{
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  const int on = 1;
  const bool listening =
      made.descriptor_ >= 0 &&
      setsockopt(made.descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::bind(made.descriptor_, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 &&
      listen(made.descriptor_, SOMAXCONN) == 0;
  if (!listening) {
    throw std::runtime_error(
        fmt::format("cannot listen on {}:{}: {}; set INFERNODE_PORT to another port, or stop what "
                    "uses this one ('infernode serve --take-over' takes the place of another "
                    "InferNode)",
                    host, port, std::strerror(errno)));
  }
  return made;
}

std::optional<ListeningSocket> ListeningSocket::inherited() {
  const auto count = number("LISTEN_FDS");
  if (number("LISTEN_PID") != getpid() || !count || *count == 0) {
    return std::nullopt;
  }
  if (*count != 1) {
    throw std::runtime_error(fmt::format("LISTEN_FDS={}: should be one socket", *count));
  }
  return adopt(kFirstInherited);
}

ListeningSocket ListeningSocket::adopt(int descriptor) {
  ListeningSocket adopted{descriptor};
  const int family = option(descriptor, SO_DOMAIN);
  if ((family != AF_INET && family != AF_INET6) || option(descriptor, SO_TYPE) != SOCK_STREAM ||
      option(descriptor, SO_ACCEPTCONN) != 1) {
    throw std::runtime_error("the socket that was passed on is no listening TCP socket");
  }
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return adopted;
}

ListeningSocket::~ListeningSocket() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)} {}

ListeningSocket ListeningSocket::duplicate() const {
  ListeningSocket copy{fcntl(descriptor_, F_DUPFD_CLOEXEC, 0)};
  if (copy.descriptor_ < 0) {
    throw std::runtime_error(fmt::format("dup: {}", std::strerror(errno)));
  }
  return copy;
}

std::string ListeningSocket::host() const {
  return endpoint_of(descriptor_).address().to_string();
}

std::uint16_t ListeningSocket::port() const {
  return endpoint_of(descriptor_).port();
}

bool ListeningSocket::is_v6() const {
  return endpoint_of(descriptor_).address().is_v6();
}

int ListeningSocket::release() {
  return std::exchange(descriptor_, -1);
}

}  // namespace infernode::http
