#include "db/conninfo.hpp"

#include <fmt/format.h>

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

namespace infernode::db {
namespace {

std::string quoted(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') {
      text += '\\';
    }
    text += c;
  }
  return text + "'";
}

std::string encoded(const std::string& value) {
  return boost::urls::encode(value, boost::urls::unreserved_chars);
}

}  // namespace

std::string conninfo_of(const DatabaseAddress& address) {
  std::string text = fmt::format(
      "host={} port={} user={} dbname={} application_name=infernode client_encoding=UTF8 "
      "connect_timeout=10 keepalives_idle=30 tcp_user_timeout=60000 "
      // No statement of ours takes a minute; a lock that does is a fault that must show.
      "options='-c timezone=UTC -c datestyle=ISO -c statement_timeout=120s -c lock_timeout=60s "
      "-c idle_in_transaction_session_timeout=300s'",
      quoted(address.host), address.port, quoted(address.user), quoted(address.database));
  if (!address.password.empty()) {
    text += " password=" + quoted(address.password);
  }
  return text;
}

std::string with_hosts(const std::string& conninfo, const std::string& name,
                       const std::vector<std::string>& addresses) {
  // Of a keyword that stands twice libpq takes the later one.
  const std::vector<std::string> names(addresses.size(), name);
  return fmt::format("{} host={} hostaddr={}", conninfo,
                     quoted(fmt::format("{}", fmt::join(names, ","))),
                     quoted(fmt::format("{}", fmt::join(addresses, ","))));
}

std::string url_of(const DatabaseAddress& address) {
  if (address.host.starts_with('/')) {
    return fmt::format("postgresql:///{}?host={}&port={}&user={}", encoded(address.database),
                       encoded(address.host), address.port, encoded(address.user));
  }
  const std::string secret = address.password.empty() ? "" : ":" + encoded(address.password);
  return fmt::format("postgresql://{}{}@{}:{}/{}", encoded(address.user), secret,
                     encoded(address.host), address.port, encoded(address.database));
}

}  // namespace infernode::db
