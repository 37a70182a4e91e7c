#pragma once

#include <optional>

#include "http/chunked_decoder.hpp"
#include "http/message.hpp"
#include "http/session.hpp"

namespace infernode::http {

// The body of a request, as it comes in on a connection.
class WireBody : public BodyStream {
public:
  // How the head says that the body comes. HTTP/1.0 knows neither chunks nor expectations.
  struct Framing {
    bool chunked = false;
    std::uint64_t length = 0;       // where it is not
    bool length_said = false;       // by a Content-Length
    bool expects_continue = false;  // before the first byte
  };

  // The session must outlive it.
  WireBody(Session& session, const Framing& framing);

  std::optional<std::uint64_t> content_length() const override;
  bool peer_gone() const override;
  asio::awaitable<std::size_t> read(std::span<std::byte> target) override;
  // Whether the whole body has been read.
  bool complete() const { return chunked_ ? chunks_.done() : left_ == 0; }
  // Reads and drops what has come already of a body that nobody wants any more, up to 64 KiB, so
  // that the connection can go on. Throws nothing.
  asio::awaitable<void> drop_what_came();

private:
  // Until something has come, and those that had something earlier have read it.
  asio::awaitable<void> wait_for_turn();
  asio::awaitable<std::size_t> read_plain(std::span<std::byte> target);
  asio::awaitable<std::size_t> read_chunked(std::span<std::byte> target);
  void require_rate(std::size_t bytes, double seconds);

  Session& session_;
  const bool chunked_;
  const std::optional<std::uint64_t> length_;
  std::uint64_t left_;
  ChunkedDecoder chunks_;
  bool expected_;  // to say that it may come
  std::size_t window_bytes_ = 0;
  double window_seconds_ = 0;  // spent waiting for them
};

}  // namespace infernode::http
