#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace infernode::http {

// The server cannot be reached, or the connection broke.
class ClientError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A file of ours cannot be written.
class FileError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

struct ClientResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct OutgoingUrl;

// A blocking HTTP/1.1 client for this program's own commands, tests and benchmarks; keeps its
// connection. Bodies to and from files are streamed. A server that has vanished is noticed within
// two minutes. Every call throws ClientError.
class Client {
public:
  Client(std::string host, std::uint16_t port);
  // Over TLS where the URL is https: the server's certificate is checked against the system's
  // authorities. Throws ClientError for one with a path.
  explicit Client(const OutgoingUrl& server);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sent as `Authorization: Bearer` from now on; empty for none.
  void set_token(std::string token);
  ClientResponse request(const std::string& method, const std::string& target,
                         const std::string& body = "",
                         const std::map<std::string, std::string>& headers = {});
  // Uploads a file as multipart/form-data with the fields `name` (unless empty) and `file`.
  // `progress` hears how many bytes are on their way.
  ClientResponse upload(const std::string& target, const std::filesystem::path& file,
                        const std::string& name,
                        const std::map<std::string, std::string>& headers = {},
                        const std::function<void(std::uint64_t)>& progress = {});
  // Writes the body to `file`. On an error status the body comes back instead and no file is left.
  // Throws FileError too.
  ClientResponse download(const std::string& target, const std::filesystem::path& file);

private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace infernode::http
