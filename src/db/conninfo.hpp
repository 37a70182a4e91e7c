#pragma once

#include <string>

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
// A URL that psql takes; has the password in it.
std::string url_of(const DatabaseAddress& address);

}  // namespace infernode::db
