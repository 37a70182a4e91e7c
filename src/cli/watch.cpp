// The command line of `infernode watch`; see folder_watch.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/folder_watch.hpp"
#include "core/json.hpp"
#include "pipelines/pipeline.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct WatchOptions {
  std::string folder;
  std::string dataset;
  std::string params_file;
  std::string key_file;
  std::string server = "http://127.0.0.1:3000";
  std::string journal;
  int settle_seconds = 5;
  bool once = false;
};

volatile std::sig_atomic_t stopping = 0;  // the one thing that a signal's handler may touch

std::string read_text(const std::string& file) {
  std::ifstream in{file};
  if (!in) {
    throw std::runtime_error(file + " cannot be read");
  }
  return {std::istreambuf_iterator<char>{in}, {}};
}

// One word.
std::string read_key(const std::string& file) {
  std::ifstream in{file};
  std::string key;
  std::string more;
  if (!(in >> key) || in >> more) {
    throw std::runtime_error(file + " does not hold one API key");
  }
  return key;
}

json::object read_params(const std::string& file) {
  boost::system::error_code error;
  const auto value = json::parse(read_text(file), error);
  if (error || !value.is_object()) {
    throw std::runtime_error(file + R"( is no JSON object with a "pipeline" and its params)");
  }
  // Before any video is paid for.
  const PipelineCatalogue pipelines;
  const auto pipeline = pipelines.of(value.as_object());
  const auto checked =
      pipeline ? (*pipeline)->check(value.as_object()) : Result<void>{pipeline.error()};
  if (!checked) {
    std::string detail = checked.error().detail;
    for (const auto& field : checked.error().fields) {
      detail += fmt::format("\n  {}: {}", field.pointer, field.detail);
    }
    throw std::runtime_error(file + ": " + detail);
  }
  return value.as_object();
}

http::OutgoingUrl server_of(const std::string& text) {
  auto url = http::parse_outgoing_url(text);
  if (!url) {
    throw std::runtime_error("--server " + url.error().detail);
  }
  return std::move(*url);
}

// Keeps a second one off the same journal.
class JournalLock {
public:
  explicit JournalLock(const std::string& journal)
      : descriptor_{open((journal + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)} {
    if (descriptor_ < 0 || flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const bool taken = descriptor_ >= 0 && errno == EWOULDBLOCK;
      const std::string reason = taken ? "it is watched already" : std::strerror(errno);
      if (descriptor_ >= 0) {
        close(descriptor_);
      }
      throw std::runtime_error(journal + ": " + reason);
    }
  }
  ~JournalLock() { close(descriptor_); }
  JournalLock(const JournalLock&) = delete;
  JournalLock& operator=(const JournalLock&) = delete;

private:
  int descriptor_;
};

void stop(int signal) {
  if (stopping != 0) {
    _exit(128 + signal);
  }
  stopping = 1;
}

}  // namespace

void add_watch_command(CLI::App& app, int& status) {
  auto* command =
      add_command(app, "watch",
                  "Upload the videos that appear in a folder, queue a job for each, and "
                  "write its results beside it");
  auto options = std::make_shared<WatchOptions>();
  command->add_option("FOLDER", options->folder, "The folder, with those inside of it")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--dataset", options->dataset, "Name of the dataset; made if there is none")
      ->required();
  command
      ->add_option(
          "--params", options->params_file,
          R"(File with the jobs' params as JSON: {"pipeline": NAME, ...}, see GET /pipelines)")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--key", options->key_file,
                   "File with an API key that may read, upload and jobs (POST /users/me/keys)")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--server", options->server, "The server, http:// or https://")
      ->capture_default_str();
  command
      ->add_option("--settle", options->settle_seconds,
                   "A file is whole when it has not changed for so many seconds")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  command->add_option("--journal", options->journal,
                      "Where it is remembered what was done [FOLDER/.infernode-watch]");
  command->add_flag("--once", options->once,
                    "End when all that is there is done; 1 if something was refused, or waits for "
                    "tokens or room");
  command->callback([&status, options] {
    if (options->journal.empty()) {
      options->journal = (fs::absolute(options->folder) / ".infernode-watch").string();
    }
    const JournalLock lock{options->journal};
    const FolderWatchSettings settings{.folder = fs::absolute(options->folder),
                                       .dataset = options->dataset,
                                       .params = read_params(options->params_file),
                                       .server = server_of(options->server),
                                       .key = read_key(options->key_file),
                                       .journal = fs::absolute(options->journal),
                                       .settle = std::chrono::seconds{options->settle_seconds},
                                       .once = options->once};
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    status = watch_folder(settings, stopping) ? 0 : 1;
  });
}

}  // namespace infernode::cli
