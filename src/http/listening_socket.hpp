#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace infernode::http {

// A TCP socket on which connections wait to be accepted. Owns its descriptor.
class ListeningSocket {
public:
  // Port 0 takes a free one. Throws std::runtime_error that says why the address cannot be had.
  static ListeningSocket bind(const std::string& host, std::uint16_t port);
  // What the process was started with by systemd (sd_listen_fds(3)); nullopt when that is nothing.
  // Throws std::runtime_error when it is anything but one listening TCP socket.
  static std::optional<ListeningSocket> inherited();
  // Takes what another process passed on. Throws std::runtime_error as above.
  static ListeningSocket adopt(int descriptor);

  ~ListeningSocket();
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;

  // The same socket once more. Throws std::runtime_error.
  ListeningSocket duplicate() const;
  int descriptor() const { return descriptor_; }
  // Its address: 127.0.0.1, 3000.
  std::string host() const;
  std::uint16_t port() const;
  bool is_v6() const;
  // The descriptor, which is the caller's from now on.
  int release();

private:
  explicit ListeningSocket(int descriptor) : descriptor_{descriptor} {}

  int descriptor_;
};

}  // namespace infernode::http
