#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/byte_source.hpp"
#include "runner/protocol.hpp"

namespace infernode::runner {

// The runner's end of the conversation; blocking. Several threads may send; one receives. Throws
// std::runtime_error when the worker is gone.
class Channel {
public:
  explicit Channel(int descriptor) : descriptor_{descriptor} {}

  struct Message {
    MessageType type;
    std::vector<std::byte> payload;
  };
  Message receive();
  // The pieces go out as one message.
  void send(MessageType type, std::initializer_list<std::span<const std::byte>> pieces);
  void send_text(MessageType type, std::string_view text);

private:
  int descriptor_;
  std::mutex sending_;
};

// A source's bytes, asked for through the channel and kept a few windows at a time: a file may have
// its index, sound and pictures in places far apart. For the thread that receives.
class ChannelSource : public media::ByteSource {
public:
  ChannelSource(Channel& channel, std::uint32_t source, std::int64_t size)
      : channel_{channel}, source_{source}, size_{size} {}
  std::int64_t size() const override { return size_; }
  std::size_t read_at(std::int64_t offset, std::span<std::byte> target) override;

private:
  static constexpr std::size_t kWindows = 8;
  struct Window {
    std::int64_t start = 0;
    std::vector<std::byte> bytes;
  };
  const Window& window_at(std::int64_t offset);

  Channel& channel_;
  std::uint32_t source_;
  std::int64_t size_;
  std::vector<Window> windows_;  // the last used first
};

}  // namespace infernode::runner
