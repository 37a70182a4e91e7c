#pragma once

#include <string>
#include <vector>

namespace infernode::db {

// Where a database is.
struct DatabaseAddress {
  std::string host;  // a name, an address, or a folder with a socket
  int port = 5432;
  std::string user;
  std::string password;
  std::string database;
};

// What libpq takes: with this program's session settings (UTC, UTF-8, time limits).
std::string conninfo_of(const DatabaseAddress& address);
// A conninfo with the addresses of its host, which libpq then tries in turn instead of looking
// `name` up; certificates are still checked against the name.
std::string with_hosts(const std::string& conninfo, const std::string& name,
                       const std::vector<std::string>& addresses);
// A URL that psql takes; has the password in it.
std::string url_of(const DatabaseAddress& address);

}  // namespace infernode::db
