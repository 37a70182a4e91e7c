#include "app/dashboard.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/embedded.hpp"
#include "http/router.hpp"

namespace infernode::app {
namespace {

// Scripts, styles and pictures are the server's own; pictures and videos of results may be made in
// the page (data:, blob:). No inline script or style, nothing evaluated, no frame around it.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'";

// The text in a gzip file of ours.
std::string unzipped(std::string_view packed) {
  std::uint32_t size = 0;  // of the text: the last four bytes (RFC 1952)
  for (std::size_t i = 1; i <= 4; ++i) {
    size = size << 8U | static_cast<unsigned char>(packed[packed.size() - i]);
  }
  std::string text(size, '\0');
  constexpr int kGzip = 16 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzip) != Z_OK) {
    throw std::runtime_error("inflateInit2");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end{&stream, inflateEnd};
  // zlib reads through it only.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast,cppcoreguidelines-pro-type-reinterpret-cast)
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = size;
  if (inflate(&stream, Z_FINISH) != Z_STREAM_END) {
    throw std::runtime_error("a file of the dashboard is broken");
  }
  return text;
}

std::string_view type_of(std::string_view file) {
  for (const auto& [ending, type] : {std::pair{".html", "text/html; charset=utf-8"},
                                     {".css", "text/css; charset=utf-8"},
                                     {".js", "text/javascript; charset=utf-8"},
                                     {".svg", "image/svg+xml"},
                                     {".png", "image/png"},
                                     {".mp4", "video/mp4"},
                                     {".json", "application/json"}}) {
    if (file.ends_with(ending)) {
      return type;
    }
  }
  return "application/octet-stream";
}

// A file in what it is sent as; views live as long as the program.
struct File {
  std::string unpacked{};  // of one that is carried packed
  std::string_view text{};
  std::string_view gzip{};
  std::string_view brotli{};
  std::string tag{};  // of its bytes as they are carried, in quotation marks
};

// Unpacked and hashed once, not with each request.
const std::map<std::string, File, std::less<>>& files() {
  static const auto all = [] {
    constexpr std::string_view kFolder = "build/web/";
    std::map<std::string, File, std::less<>> made;
    for (const auto& embedded : embedded_files()) {
      std::string_view path = embedded.path;
      if (!path.starts_with(kFolder)) {
        continue;
      }
      path.remove_prefix(kFolder.size());
      if (path.ends_with(".br")) {
        made[std::string{path.substr(0, path.size() - 3)}].brotli = embedded.content;
        continue;
      }
      const bool packed = path.ends_with(".gz");
      auto& file = made[std::string{packed ? path.substr(0, path.size() - 3) : path}];
      if (packed) {
        file.unpacked = unzipped(embedded.content);
        file.gzip = embedded.content;
        file.text = file.unpacked;  // a map's values stay where they are
      } else {
        file.text = embedded.content;
      }
      file.tag = http::entity_tag(embedded.content);
    }
    return made;
  }();
  return all;
}

struct Body {
  std::string content;
  std::string tag;
  std::string_view coding{};
  bool varies = false;
};

std::optional<Body> body_of(const http::Request& request, const std::string& name) {
  const auto found = files().find(name);
  if (found == files().end()) {
    return std::nullopt;
  }
  const File& file = found->second;
  const auto coding =
      file.gzip.empty() ? std::string_view{} : best_coding(request.header("accept-encoding"));
  const auto content = coding == "br" ? file.brotli : coding == "gzip" ? file.gzip : file.text;
  std::string tag = file.tag;
  if (!coding.empty()) {
    tag.insert(tag.size() - 1, "-" + std::string{coding});  // another representation
  }
  return Body{std::string{content}, std::move(tag), coding, !file.gzip.empty()};
}

bool asks_for_a_page(const http::Request& request, std::string_view file) {
  return request.header("accept").find("text/html") != std::string::npos && file != "api" &&
         !file.starts_with("api/") && !file.starts_with('/') &&
         file.find('.') == std::string_view::npos;
}

// The weight of "gzip;q=0.5": 1 where none is given, 0 where it cannot be read.
double weight_of(std::string_view given) {
  const std::string parameters = http::lower_case(given);
  const auto begins = parameters.find("q=");
  if (begins == std::string_view::npos) {
    return 1;
  }
  const std::string_view number = std::string_view{parameters}.substr(begins + 2);
  double weight = 0;
  std::from_chars(number.data(), number.data() + number.size(), weight);
  return weight;
}

}  // namespace

std::string_view best_coding(std::string_view accept_encoding) {
  bool brotli = false;
  bool gzip = false;
  while (!accept_encoding.empty()) {
    const auto comma = accept_encoding.find(',');
    auto each = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(comma == std::string_view::npos ? accept_encoding.size()
                                                                  : comma + 1);
    const auto semicolon = each.find(';');
    const bool wanted =
        semicolon == std::string_view::npos || weight_of(each.substr(semicolon)) > 0;
    each = each.substr(0, semicolon);
    each.remove_prefix(std::min(each.find_first_not_of(" \t"), each.size()));
    each = each.substr(0, each.find_last_not_of(" \t") + 1);
    const auto name = http::lower_case(each);
    brotli = name == "br" ? wanted : brotli;
    gzip = name == "gzip" || name == "x-gzip" ? wanted : gzip;
  }
  return brotli ? "br" : gzip ? "gzip" : "";
}

Result<http::Response> dashboard_file(const http::Request& request, std::string_view file) {
  std::string name{file};
  if (name.empty() || name == "password.html") {
    name = "index.html";
  } else if (name == "docs" || name == "docs/") {
    name = "docs/index.html";
  }
  auto body = body_of(request, name);
  if (!body && asks_for_a_page(request, file)) {
    name = "index.html";
    body = body_of(request, name);
  }
  if (!body) {
    return http::nothing_here();
  }
  http::Response response;
  response.headers.emplace_back("Content-Type", type_of(name));
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  // The names of the assets have their hash in them.
  response.headers.emplace_back("Cache-Control", name.starts_with("assets/")
                                                     ? "public, max-age=31536000, immutable"
                                                     : "no-cache");
  response.headers.emplace_back("ETag", body->tag);
  if (body->varies) {
    response.headers.emplace_back("Vary", "Accept-Encoding");
  }
  if (!body->coding.empty()) {
    response.headers.emplace_back("Content-Encoding", body->coding);
  }
  response.body = std::move(body->content);
  return response;
}

}  // namespace infernode::app
