#include "runner/child/channel.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace infernode::runner {
namespace {

void receive_all(int descriptor, std::span<std::byte> target) {
  while (!target.empty()) {
    const ssize_t got = recv(descriptor, target.data(), target.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      throw std::runtime_error("the worker is gone");
    }
    target = target.subspan(static_cast<std::size_t>(got));
  }
}

void send_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent <= 0) {
      throw std::runtime_error("the worker is gone");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

}  // namespace

Channel::Message Channel::receive() {
  MessageHeader header{};
  receive_all(descriptor_, std::as_writable_bytes(std::span{&header, 1}));
  if (header.size > kMaxTaskBytes) {
    throw std::runtime_error("a message of the worker is too large");
  }
  Message message{header.type, std::vector<std::byte>(header.size)};
  receive_all(descriptor_, message.payload);
  return message;
}

void Channel::send(MessageType type, std::initializer_list<std::span<const std::byte>> pieces) {
  MessageHeader header{type, 0};
  for (const auto& piece : pieces) {
    header.size += static_cast<std::uint32_t>(piece.size());
  }
  const std::lock_guard lock{sending_};
  send_all(descriptor_, std::as_bytes(std::span{&header, 1}));
  for (const auto& piece : pieces) {
    send_all(descriptor_, piece);
  }
}

void Channel::send_text(MessageType type, std::string_view text) {
  send(type, {std::as_bytes(std::span{text.data(), text.size()})});
}

std::size_t ChannelSource::read_at(std::int64_t offset, std::span<std::byte> target) {
  if (offset >= size_ || target.empty()) {
    return 0;
  }
  const Window& window = window_at(offset);
  const auto skip = static_cast<std::size_t>(offset - window.start);
  const std::size_t count = std::min(target.size(), window.bytes.size() - skip);
  std::memcpy(target.data(), window.bytes.data() + skip, count);
  return count;
}

const ChannelSource::Window& ChannelSource::window_at(std::int64_t offset) {
  const auto holds = [offset](const Window& window) {
    return offset >= window.start &&
           offset < window.start + static_cast<std::int64_t>(window.bytes.size());
  };
  // The last one used comes first.
  auto found = std::find_if(windows_.begin(), windows_.end(), holds);
  if (found == windows_.end()) {
    const ReadRequest request{offset, kReadBytes, source_};
    channel_.send(MessageType::read, {std::as_bytes(std::span{&request, 1})});
    auto answer = channel_.receive();
    if (answer.type != MessageType::data || answer.payload.empty()) {
      throw std::runtime_error("the video's bytes cannot be read");
    }
    if (windows_.size() < kWindows) {
      windows_.emplace_back();
    }
    found = std::prev(windows_.end());
    *found = Window{offset, std::move(answer.payload)};
  }
  std::rotate(windows_.begin(), found, std::next(found));
  return windows_.front();
}

}  // namespace infernode::runner
