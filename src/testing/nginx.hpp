#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "testing/test_server.hpp"

namespace infernode::test {

// Debian's nginx before a server, with a certificate of its own and the configuration that
// docs/operating.md shows; its other settings are nginx's defaults.
class Nginx {
public:
  // Throws std::runtime_error with what nginx said when it does not start.
  explicit Nginx(const TestServer& server);
  ~Nginx();
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  // curl with these arguments for a path of the API ("/uploads"), which it asks for over TLS and
  // trusts. Returns what it wrote. Throws std::runtime_error when it fails.
  std::string curl(std::vector<std::string> arguments, const std::string& path) const;

private:
  TemporaryFolder folder_;
  std::uint16_t port_ = 0;
  pid_t child_ = -1;
};

}  // namespace infernode::test
