#include "http/wire_answer.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/beast/http/status.hpp>
#include <iterator>
#include <stdexcept>

namespace infernode::http {
namespace {

namespace bhttp = boost::beast::http;

constexpr std::string_view kChunkEnd = "\r\n";

// The head of an answer; its last line is its framing.
std::string head_of(const Response& response, const Request& request, std::string_view date,
                    bool keep_alive, std::string_view framing) {
  std::string head;
  head.reserve(512);
  const auto reason = bhttp::obsolete_reason(static_cast<bhttp::status>(response.status));
  fmt::format_to(std::back_inserter(head),
                 "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n"
                 "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
                 response.status, std::string_view{reason.data(), reason.size()}, date,
                 request.request_id);
  bool cache_control = false;
  for (const auto& [name, value] : response.headers) {
    head.append(name).append(": ").append(value).append("\r\n");
    cache_control = cache_control || name == "Cache-Control";
  }
  if (!cache_control) {
    head += "Cache-Control: private, no-cache\r\n";
  }
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (request.http_1_0) {
    head += "Connection: keep-alive\r\n";
  }
  return head.append(framing).append("\r\n");
}

std::string length_framing(std::uint64_t bytes) {
  return fmt::format("Content-Length: {}\r\n", bytes);
}

asio::awaitable<void> write_streamed(Session& session, const Response& response,
                                     const Request& request, std::string date, bool keep_alive) {
  const auto length = response.content_length;
  const bool chunked = !length && !request.http_1_0;
  const std::string head = head_of(response, request, date, keep_alive,
                                   length    ? length_framing(*length)
                                   : chunked ? "Transfer-Encoding: chunked\r\n"
                                             : "");
  co_await write_all(session, asio::buffer(head));
  if (request.method == "HEAD") {
    co_return;
  }
  std::uint64_t sent = 0;
  for (bool more = true; more;) {
    const std::string piece = co_await response.source();
    more = !piece.empty();
    sent += piece.size();
    if (length && (sent > *length || (!more && sent < *length))) {
      throw std::runtime_error("the content is not as long as was announced");
    }
    if (chunked) {
      const auto size = fmt::format("{:x}\r\n", piece.size());
      const std::array<asio::const_buffer, 3> chunk{asio::buffer(size), asio::buffer(piece),
                                                    asio::buffer(kChunkEnd)};
      co_await write_all(session, chunk);
    } else if (more) {
      co_await write_all(session, asio::buffer(piece));
    }
  }
}

asio::awaitable<void> write_whole(Session& session, Response response, const Request& request,
                                  std::string date, bool keep_alive) {
  const bool bodiless = response.status == 204 || response.status == 304;
  const std::string head = head_of(response, request, date, keep_alive,
                                   bodiless ? "" : length_framing(response.body.size()));
  if (request.method == "HEAD") {
    response.body.clear();
  }
  const std::array<asio::const_buffer, 2> all{asio::buffer(head), asio::buffer(response.body)};
  co_await write_all(session, all);
}

}  // namespace

asio::awaitable<void> write_answer(Session& session, Response response, const Request& request,
                                   std::string date, bool keep_alive) {
  if (response.source) {
    co_await write_streamed(session, response, request, std::move(date), keep_alive);
  } else {
    co_await write_whole(session, std::move(response), request, std::move(date), keep_alive);
  }
}

}  // namespace infernode::http
