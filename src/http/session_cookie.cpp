#include "http/session_cookie.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/blanks.hpp"

namespace infernode::http {
namespace {

constexpr std::string_view kName = "session=";

std::string_view last_of(std::string_view list, char separator) {
  const auto at = list.rfind(separator);
  return without_blanks(at == std::string_view::npos ? list : list.substr(at + 1));
}

// What the nearest proxy says in Forwarded (RFC 7239): the value of `name` in its last element.
std::string forwarded_value(const Request& request, std::string_view name) {
  const std::string header = request.header("forwarded");
  std::string_view element = last_of(header, ',');
  while (!element.empty()) {
    const auto end = std::min(element.find(';'), element.size());
    auto pair = without_blanks(element.substr(0, end));
    element.remove_prefix(std::min(end + 1, element.size()));
    if (pair.size() > name.size() && lower_case(pair.substr(0, name.size())) == name &&
        pair[name.size()] == '=') {
      pair.remove_prefix(name.size() + 1);
      if (pair.size() >= 2 && pair.front() == '"' && pair.back() == '"') {
        pair = pair.substr(1, pair.size() - 2);
      }
      return std::string{pair};
    }
  }
  return "";
}

// The last value of a header of the X-Forwarded family, else what Forwarded says.
std::string said_by_proxy(const Request& request, const char* header, std::string_view name) {
  if (!request.from_proxy) {
    return "";
  }
  const std::string list = request.header(header);
  const std::string last{last_of(list, ',')};
  return last.empty() ? forwarded_value(request, name) : last;
}

}  // namespace

std::optional<std::string> session_cookie(const Request& request) {
  const std::string header = request.header("cookie");
  std::string_view rest = header;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(';'), rest.size());
    const auto pair = without_blanks(rest.substr(0, end));
    if (pair.starts_with(kName)) {
      return std::string{pair.substr(kName.size())};
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

std::string set_session_cookie(const Request& request, const std::string& value,
                               std::int64_t seconds) {
  return fmt::format("{}{}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kName, value, seconds,
                     origin_of(request).starts_with("https:") ? "; Secure" : "");
}

std::string origin_of(const Request& request) {
  const bool secure = lower_case(said_by_proxy(request, "x-forwarded-proto", "proto")) == "https";
  std::string host = said_by_proxy(request, "x-forwarded-host", "host");
  host = lower_case(host.empty() ? request.header("host") : host);
  // An origin names no port that its scheme implies.
  const std::string_view implied = secure ? ":443" : ":80";
  if (host.ends_with(implied)) {
    host.erase(host.size() - implied.size());
  }
  return (secure ? "https://" : "http://") + host;
}

Error not_same_origin(const Request& request) {
  const std::string origin = request.header("origin");
  return {ErrorCode::forbidden,
          origin.empty()
              ? "With the session's cookie this needs the header Origin, as browsers send it."
              : fmt::format("This comes from a page of another origin than {}; behind a proxy, see "
                            "INFERNODE_TRUSTED_PROXIES.",
                            origin_of(request))};
}

}  // namespace infernode::http
