#pragma once

#include <sys/types.h>

#include <boost/json.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/process.hpp"
#include "core/tokens.hpp"
#include "http/client.hpp"

namespace infernode::test {

// A folder of its own for a test; gone when destroyed.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

// Rows of a query on a connection of its own, every value as text; an error throws
// std::runtime_error.
std::vector<std::vector<std::string>> run_sql(const std::string& conninfo,
                                              const std::string& query);

struct CommandResult {
  int status;
  std::string output;  // standard output and standard error
};

// The real `infernode serve` as a child process, on a free port of 127.0.0.1, with a PostgreSQL
// cluster of its own in a temporary folder.
class TestServer {
public:
  // Which program, as which user; nullopt: as this one.
  struct Program {
    std::string binary = INFERNODE_BINARY;
    std::optional<Account> account = std::nullopt;
  };
  // `settings` add to the environment.
  explicit TestServer(std::map<std::string, std::string> settings = {});
  TestServer(std::map<std::string, std::string> settings, Program program);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  void start();
  // Another program from the next start on.
  void become(Program program) { program_ = std::move(program); }
  // Changes a setting for the next start.
  void set(const std::string& name, const std::string& value) { settings_[name] = value; }
  // Ctrl-C, and waits. Returns the exit status.
  int stop();
  // Starts another one, of the program and settings as they are now, which takes the place of this
  // one, and waits until this one has ended. Returns the exit status of this one.
  int hand_over();
  // SIGKILL: no destructor runs.
  void kill();

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return child_; }
  std::filesystem::path folder() const { return folder_.path(); }
  // Stops its PostgreSQL in a way that pg_ctl knows: "fast", or "immediate", which is a crash; and
  // starts it again.
  void stop_database(const char* mode);
  void start_database();
  // What the server wrote to standard error since it was made.
  std::string log() const;
  // Starts `infernode` with these arguments and this server's settings, and does not wait for it.
  // Its output goes to the server's log.
  pid_t spawn(const std::vector<std::string>& arguments) const;
  // Runs `infernode` with these arguments and this server's settings.
  CommandResult command(const std::vector<std::string>& arguments) const;
  // Rows of a query against the server's database, every value as text.
  std::vector<std::vector<std::string>> sql(const std::string& query) const;
  // The one value of a query.
  std::string value(const std::string& query) const { return sql(query).at(0).at(0); }
  // Takes tokens from a user's balance.
  void spend(const std::string& email, const std::string& tokens) const;

private:
  void start(const std::vector<std::string>& arguments);
  void control_database(std::vector<std::string> arguments) const;

  TemporaryFolder folder_;
  std::map<std::string, std::string> settings_;
  Program program_;
  pid_t child_ = -1;
  std::uint16_t port_ = 0;
  std::string pg_ctl_;  // known once the database was stopped
};

// Calls `done` until it returns true; throws when that takes too long.
void wait_until(const std::string& what, const std::function<bool()>& done);

// A logged-in user.
class TestUser {
public:
  enum Role { user, admin };

  // Registers a new one.
  explicit TestUser(const TestServer& server, Role role = user);

  http::ClientResponse send(const std::string& method, const std::string& path,
                            const std::string& body = "",
                            const std::map<std::string, std::string>& headers = {});
  // As above; fails the test unless the status is `expected`, and returns the body as JSON.
  boost::json::value call(int expected, const std::string& method, const std::string& path,
                          const boost::json::value& body = nullptr);
  std::string create_dataset(const std::string& name);
  http::ClientResponse upload(const std::string& dataset, const std::filesystem::path& file,
                              const std::string& name = "");
  // A new dataset with the example clip in it.
  struct Footage {
    std::string dataset;
    std::string video;
  };
  Footage with_footage(const std::string& name);
  // Waits until the job has ended, and returns it.
  boost::json::value wait_for_end(const std::string& job);
  // Waits until some of the job's images are done.
  void wait_for_progress(const std::string& job, int images);
  Tokens balance();
  http::Client& client() { return *client_; }
  // A client of its own with the same token.
  std::unique_ptr<http::Client> new_client() const;
  // Goes on with a server that was started again.
  void connect(const TestServer& server);
  const std::string& email() const { return email_; }
  const std::string& id() const { return id_; }
  const std::string& token() const { return token_; }
  // Logs in again and goes on with the new token.
  void log_in(const std::string& password = kPassword);

  static constexpr const char* kPassword = "a good password";

private:
  std::uint16_t port_;
  std::string token_;
  std::unique_ptr<http::Client> client_;
  std::string email_;
  std::string id_;
};

inline std::string text(const boost::json::value& value, const char* name) {
  return boost::json::value_to<std::string>(value.at(name));
}
inline std::int64_t integer(const boost::json::value& value, const char* name) {
  return boost::json::value_to<std::int64_t>(value.at(name));
}

// Writes a small video: `frames` pictures of 64x48 pixels, each decodable alone; those from
// `broken_from` on cannot be decoded.
void write_clip(const std::filesystem::path& file, int frames, int broken_from);

// Writes the example clip, and behind it a box of so many bytes (8 or more) that every player
// skips.
void write_padded_clip(const std::filesystem::path& file, std::uint32_t box);

// 120 frames of people walking.
const std::filesystem::path kClip = INFERNODE_SOURCE_DIR "/examples/street.mp4";

}  // namespace infernode::test
