#include "http/handover.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/log.hpp"

namespace infernode::http {
namespace {

using asio::local::stream_protocol;

constexpr char kHere = 'h';   // with the socket
constexpr char kReady = 'r';  // the successor accepts connections
constexpr std::chrono::seconds kPatience{10};

// Abstract names begin with a zero byte and leave no file behind.
stream_protocol::endpoint meeting_place(const std::string& host, std::uint16_t port) {
  return {std::string{'\0'} + fmt::format("infernode/serve/{}:{}", host, port)};
}

// Whether the process at the other end is ours.
bool same_user(int descriptor) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

// A message of one letter, with room for a descriptor beside it.
struct Envelope {
  explicit Envelope(char& letter) : piece{&letter, 1} {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec piece;
  msghdr message{};
};

bool pass_on(int channel, int descriptor) {
  char letter = kHere;
  Envelope envelope{letter};
  auto* header = CMSG_FIRSTHDR(&envelope.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return sendmsg(channel, &envelope.message, MSG_NOSIGNAL) == 1;
}

// -1 when none came.
int receive(int channel) {
  char letter = 0;
  Envelope envelope{letter};
  if (recvmsg(channel, &envelope.message, MSG_CMSG_CLOEXEC) != 1 || letter != kHere) {
    return -1;
  }
  const auto* header = CMSG_FIRSTHDR(&envelope.message);
  int descriptor = -1;
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof descriptor)) {
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  }
  return descriptor;
}

}  // namespace

struct Predecessor::State {
  State(const asio::any_io_executor& executor, ListeningSocket listening)
      : socket{std::move(listening)}, acceptor{executor} {}

  ListeningSocket socket;
  stream_protocol::acceptor acceptor;
};

Predecessor::Predecessor(const asio::any_io_executor& executor, ListeningSocket socket)
    : state_{std::make_unique<State>(executor, std::move(socket))} {
  const auto place = meeting_place(state_->socket.host(), state_->socket.port());
  auto& acceptor = state_->acceptor;
  boost::system::error_code error;
  acceptor.open(place.protocol(), error);
  acceptor.bind(place, error);
  if (!error) {
    acceptor.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    throw std::runtime_error("no other process can take this one's place: " + error.message());
  }
}

Predecessor::~Predecessor() = default;

asio::awaitable<void> Predecessor::handed_over() {
  using namespace asio::experimental::awaitable_operators;  // NOLINT(google-build-using-namespace)
  auto& acceptor = state_->acceptor;
  for (;;) {
    boost::system::error_code ignored;
    asio::steady_timer patience{acceptor.get_executor(), kPatience};
    stream_protocol::socket channel{acceptor.get_executor()};
    co_await acceptor.async_accept(channel, asio::redirect_error(asio::use_awaitable, ignored));
    if (ignored == asio::error::operation_aborted) {
      throw boost::system::system_error(ignored);
    }
    if (!channel.is_open()) {
      log::warn("nobody can take this one's place for a while: {}", ignored.message());
      co_await patience.async_wait(asio::use_awaitable);
      continue;
    }
    if (!same_user(channel.native_handle()) ||
        !pass_on(channel.native_handle(), state_->socket.descriptor())) {
      continue;
    }
    // One that died before it was ready leaves everything as it was; so does one that hangs.
    patience.expires_after(kPatience);
    char letter = 0;
    auto answer = asio::async_read(channel, asio::buffer(&letter, 1),
                                   asio::redirect_error(asio::use_awaitable, ignored));
    auto waiting = patience.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_await (std::move(answer) || std::move(waiting));
    if (letter == kReady) {
      acceptor.close();
      co_return;
    }
    log::warn("a process that meant to take this one's place did not get ready");
  }
}

std::optional<Successor> Successor::find(const std::string& host, std::uint16_t port) {
  const auto place = meeting_place(host == "localhost" ? "127.0.0.1" : host, port);
  Successor successor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const timeval patience{kPatience.count(), 0};
  setsockopt(successor.channel_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(successor.channel_, place.data(), static_cast<socklen_t>(place.size())) != 0) {
    return std::nullopt;
  }
  if (!same_user(successor.channel_)) {
    log::warn("a process of another user waits to be asked for the socket of {}:{}", host, port);
    return std::nullopt;
  }
  const int descriptor = receive(successor.channel_);
  if (descriptor < 0) {
    throw std::runtime_error("the process that serves there did not pass its socket on");
  }
  auto socket = ListeningSocket::adopt(descriptor);
  if (socket.port() != port) {
    throw std::runtime_error("the process that serves there passed another socket on");
  }
  successor.socket_.emplace(std::move(socket));
  return successor;
}

Successor::~Successor() {
  if (channel_ >= 0) {
    close(channel_);
  }
}

Successor::Successor(Successor&& other) noexcept
    : channel_{std::exchange(other.channel_, -1)}, socket_{std::move(other.socket_)} {}

ListeningSocket Successor::take_socket() {
  return std::move(socket_).value();
}

void Successor::begin() {
  char letter = kReady;
  if (send(channel_, &letter, 1, MSG_NOSIGNAL) != 1 || recv(channel_, &letter, 1, 0) != 0) {
    throw std::runtime_error("the process whose place is to be taken does not answer");
  }
}

}  // namespace infernode::http
