#include "http/request_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>

#include "core/blanks.hpp"
#include "http/message.hpp"

namespace infernode::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// tchar of RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view{"!#$%&'*+-.^_`|~"}.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_port(std::string_view text) {
  const bool digits =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  int port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return digits && text.size() <= 5 && port <= 65535;
}

// reg-name of RFC 3986, 3.2.2, but for the comma: that is how proxies join two Hosts.
bool is_name(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto is_hex = [&text](std::size_t at) {
      return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
    };
    const bool encoded = c == '%' && is_hex(i + 1) && is_hex(i + 2);
    const bool plain = std::isalnum(c) != 0 ||
                       std::string_view{"-._~!$&'()*+;="}.find(text[i]) != std::string_view::npos;
    if (!encoded && !plain) {
      return false;
    }
  }
  return true;
}

// uri-host [":" port] (RFC 3986, 3.2.2); a Host may be empty (RFC 9112, 3.2).
bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    boost::system::error_code error;
    if (end == std::string_view::npos) {
      return false;
    }
    boost::asio::ip::make_address_v6(std::string{text.substr(1, end - 1)}, error);
    const auto port = text.substr(end + 1);
    return !error && (port.empty() || (port.front() == ':' && is_port(port.substr(1))));
  }
  const auto colon = std::min(text.find(':'), text.size());
  return is_name(text.substr(0, colon)) &&
         (colon == text.size() || (colon > 0 && is_port(text.substr(colon + 1))));
}

bool starts_with_scheme(std::string_view target) {
  const auto scheme = lower_case(target.substr(0, 8));
  return scheme.starts_with("http://") || scheme.starts_with("https://");
}

// Of "http://host:80/path": "host:80".
std::string_view authority_of(std::string_view target) {
  target.remove_prefix(target.find("://") + 3);
  return target.substr(0, target.find_first_of("/?"));
}

std::optional<HeadFault> fault_of_target(std::string_view method, std::string_view target) {
  if (target.size() > kMaxTargetBytes) {
    return HeadFault{414, fmt::format("A target may have {} bytes at most.", kMaxTargetBytes)};
  }
  const bool visible = std::all_of(target.begin(), target.end(),
                                   [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  bool form = target.starts_with('/') || (target == "*" && method == "OPTIONS");
  if (starts_with_scheme(target)) {
    const auto authority = authority_of(target);
    form = !authority.empty() && is_host(authority);
  }
  if (!visible || !form || target.find('#') != std::string_view::npos) {
    return HeadFault{400, "The target is neither a path nor an address."};
  }
  return std::nullopt;
}

std::optional<HeadFault> fault_of_request_line(std::string_view line, bool& old) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return HeadFault{400, "The request line is not 'METHOD target HTTP/1.1'."};
  }
  const auto method = line.substr(0, first);
  const auto version = line.substr(last + 1);
  if (!is_token(method)) {
    return HeadFault{400, "The method is none."};
  }
  const bool http = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
                    std::isdigit(static_cast<unsigned char>(version[5])) != 0 &&
                    std::isdigit(static_cast<unsigned char>(version[7])) != 0;
  if (!http) {
    return HeadFault{400, "The request line does not end in HTTP/1.1."};
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return HeadFault{505, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  }
  old = version == "HTTP/1.0";
  return fault_of_target(method, line.substr(first + 1, last - first - 1));
}

// What the fields say that decides how the request is read.
struct Framing {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
  std::string coding;
};

std::optional<HeadFault> fault_of_field(std::string_view line, bool old, Framing& framing) {
  if (auto fault = fault_of_field_line(line)) {
    return fault;
  }
  const auto colon = line.find(':');
  const auto value = without_blanks(line.substr(colon + 1));
  const auto name = lower_case(line.substr(0, colon));
  if (name == "host") {
    ++framing.hosts;
    if (!is_host(value)) {
      return HeadFault{400, "The Host is none."};
    }
  } else if (name == "content-length") {
    ++framing.lengths;
    const bool digits = std::all_of(value.begin(), value.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
    if (value.empty() || value.size() > 18 || !digits) {
      return HeadFault{400, "The Content-Length is no number."};
    }
  } else if (name == "transfer-encoding") {
    ++framing.codings;
    framing.coding = lower_case(value);
  } else if (name == "expect" && !old && lower_case(value) != "100-continue") {
    return HeadFault{417, "Nothing but 100-continue can be expected."};
  }
  return std::nullopt;
}

std::optional<HeadFault> fault_of_framing(const Framing& framing, bool old) {
  if (framing.hosts > 1 || (framing.hosts == 0 && !old)) {
    return HeadFault{400, "There must be one Host."};
  }
  if (framing.lengths > 1) {
    return HeadFault{400, "There is more than one Content-Length."};
  }
  if (framing.codings == 0) {
    return std::nullopt;
  }
  if (old || framing.lengths > 0) {
    return HeadFault{400, "Transfer-Encoding goes with HTTP/1.1, and not with Content-Length."};
  }
  if (framing.codings > 1 || framing.coding.starts_with("chunked,") ||
      framing.coding.starts_with("chunked ")) {
    return HeadFault{400, "A body is chunked once, and last."};
  }
  if (framing.coding != "chunked") {
    return HeadFault{501, "The only Transfer-Encoding known here is chunked."};
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> head_end(std::string_view received, std::size_t from) {
  const auto found = received.find("\r\n\r\n", from < 3 ? 0 : from - 3);
  return found == std::string_view::npos ? std::nullopt : std::optional{found + 4};
}

std::optional<HeadFault> fault_of_beginning(std::string_view received) {
  if (received.size() > kMaxHeadBytes) {
    return HeadFault{
        431, fmt::format("The request line and fields may have {} bytes at most.", kMaxHeadBytes)};
  }
  for (std::size_t i = 0; i < received.size(); ++i) {
    const char c = received[i];
    const bool alone = (c == '\n' && (i == 0 || received[i - 1] != '\r')) ||
                       (c == '\r' && i + 1 < received.size() && received[i + 1] != '\n');
    if (alone) {
      return HeadFault{400, "Lines end in CR and LF."};
    }
    if (c == '\0') {
      return HeadFault{400, "The head holds a NUL."};
    }
  }
  return std::nullopt;
}

std::optional<HeadFault> fault_of_head(std::string_view head) {
  if (auto fault = fault_of_beginning(head)) {
    return fault;
  }
  bool old = false;  // HTTP/1.0
  const auto first = head.find(kLineEnd);
  if (auto fault = fault_of_request_line(head.substr(0, first), old)) {
    return fault;
  }
  Framing framing;
  auto rest = head.substr(first + kLineEnd.size());
  for (auto end = rest.find(kLineEnd); end != 0 && end != std::string_view::npos;
       end = rest.find(kLineEnd)) {
    if (auto fault = fault_of_field(rest.substr(0, end), old, framing)) {
      return fault;
    }
    rest.remove_prefix(end + kLineEnd.size());
  }
  return fault_of_framing(framing, old);
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

std::optional<HeadFault> fault_of_field_line(std::string_view line) {
  if (line.starts_with(' ') || line.starts_with('\t')) {
    return HeadFault{400, "A field is folded over several lines."};
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return HeadFault{400, "A field is not 'Name: value'."};
  }
  if (!is_field_value(line.substr(colon + 1))) {
    return HeadFault{400, "A field holds a control character."};
  }
  return std::nullopt;
}

Target parse_target(std::string_view target) {
  Target parsed;
  if (starts_with_scheme(target)) {
    parsed.authority = authority_of(target);
    target.remove_prefix(target.find("://") + 3 + parsed.authority.size());
  }
  const auto question = std::min(target.find('?'), target.size());
  parsed.path = question == 0 ? "/" : target.substr(0, question);
  parsed.query = target.substr(std::min(question + 1, target.size()));
  return parsed;
}

}  // namespace infernode::http
