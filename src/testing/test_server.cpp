#include "testing/test_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "core/config.hpp"
#include "core/json.hpp"
#include "core/process.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::seconds kPatience{90};

std::string contents(const fs::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// Waits for the end of a process.
int exit_status(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

void wait_until(const std::string& what, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("waited in vain for " + what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "infernode-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  // As root PostgreSQL runs as another user, who must pass through.
  chmod(name.c_str(), 0755);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

TestServer::TestServer(std::map<std::string, std::string> settings)
    : TestServer{std::move(settings), Program{}} {}

TestServer::TestServer(std::map<std::string, std::string> settings, Program program)
    : settings_{std::move(settings)}, program_{std::move(program)} {
  if (program_.account &&
      chown(folder_.path().c_str(), program_.account->uid, program_.account->gid) != 0) {
    throw std::runtime_error("the test's folder cannot be given away");
  }
  settings_.insert({{"INFERNODE_DATA_DIR", (folder_.path() / "data").string()},
                    {"INFERNODE_PORT", "0"},
                    {"INFERNODE_BCRYPT_COST", "4"},
                    {"INFERNODE_LEASE_SECONDS", "3"},
                    {"INFERNODE_SWEEP_SECONDS", "1"},
                    {"INFERNODE_MODEL_DIR", INFERNODE_MODELS}});
  start();
}

TestServer::~TestServer() {
  if (child_ > 0) {
    stop();
  } else {
    // A server that was killed left its cluster running: whoever comes last stops it.
    command({"db:migrate:status"});
  }
}

pid_t TestServer::spawn(const std::vector<std::string>& arguments) const {
  const std::string folder = folder_.path().string();
  const std::string out_file = folder + (arguments.front() == "serve" ? "/out" : "/other-out");
  const std::string log_file = folder + "/log";
  std::vector<std::string> variables;
  for (const auto& [name, value] : process_environment()) {
    if (!name.starts_with("INFERNODE_") && !name.starts_with("DB_") && !settings_.contains(name)) {
      variables.push_back(name + "=" + value);
    }
  }
  for (const auto& [name, value] : settings_) {
    variables.push_back(name + "=" + value);
  }
  std::vector<std::string> words{program_.binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (auto& text : texts) {
      list.push_back(text.data());
    }
    list.push_back(nullptr);
    return list;
  };
  const auto environment = pointers(variables);
  const auto line = pointers(words);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that crashes leaves no server behind
    const int out = open(out_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (chdir(folder.c_str()) != 0) {
      _exit(126);
    }
    if (const auto& account = program_.account;
        account && (setgroups(0, nullptr) != 0 || setgid(account->gid) != 0 ||
                    setuid(account->uid) != 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)) {
      _exit(126);
    }
    execve(line.front(), line.data(), environment.data());
    _exit(127);
  }
  return child;
}

void TestServer::start() {
  start({"serve"});
}

int TestServer::hand_over() {
  const pid_t before = child_;
  set("INFERNODE_PORT", std::to_string(port_));
  start({"serve", "--take-over"});
  return exit_status(before);
}

void TestServer::start(const std::vector<std::string>& arguments) {
  const fs::path out_file = folder_.path() / "out";
  fs::remove(out_file);
  child_ = spawn(arguments);
  const std::string marker = "listening on http://127.0.0.1:";
  wait_until("the server to start; its log:\n" + log(), [&] {
    const std::string out = contents(out_file);
    const auto at = out.find(marker);
    if (at != std::string::npos && out.back() == '\n') {
      port_ = static_cast<std::uint16_t>(std::stoi(out.substr(at + marker.size())));
      return true;
    }
    if (waitpid(child_, nullptr, WNOHANG) == child_) {
      child_ = -1;
      throw std::runtime_error("the server ended: " + log());
    }
    return false;
  });
}

int TestServer::stop() {
  ::kill(child_, SIGTERM);
  return exit_status(std::exchange(child_, -1));
}

void TestServer::kill() {
  ::kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
  child_ = -1;
}

std::string TestServer::log() const {
  return contents(folder_.path() / "log");
}

CommandResult TestServer::command(const std::vector<std::string>& arguments) const {
  std::vector<std::string> line{"env", "-C", folder_.path().string()};
  for (const auto& [name, value] : settings_) {
    line.push_back(name + "=" + value);
  }
  line.emplace_back(INFERNODE_BINARY);
  line.insert(line.end(), arguments.begin(), arguments.end());
  const ProcessResult result = run_process(line);
  return {result.status, result.output};
}

std::vector<std::vector<std::string>> run_sql(const std::string& conninfo,
                                              const std::string& query) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection{PQconnectdb(conninfo.c_str()),
                                                                PQfinish};
  PQsetNoticeProcessor(
      connection.get(), [](void*, const char*) {}, nullptr);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result{
      PQexec(connection.get(), query.c_str()), PQclear};
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    throw std::runtime_error(PQerrorMessage(connection.get()));
  }
  std::vector<std::vector<std::string>> rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    rows.emplace_back();
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      rows.back().emplace_back(PQgetvalue(result.get(), row, column));
    }
  }
  return rows;
}

std::vector<std::vector<std::string>> TestServer::sql(const std::string& query) const {
  return run_sql(fmt::format("host={} user=postgres dbname=InferNode",
                             (folder_.path() / "data/postgres-socket").string()),
                 query);
}

void TestServer::stop_database(const char* mode) {
  pg_ctl_ = value("SELECT setting FROM pg_config WHERE name = 'BINDIR'") + "/pg_ctl";
  control_database({"stop", "-m", mode});
}

void TestServer::start_database() {
  const auto data = folder() / "data/postgres";
  // As it was started; pg_ctl alone remembers that for "restart".
  const std::string line = contents(data / "postmaster.opts");
  const auto options =
      line.substr(line.find(' '), line.find_last_not_of('\n') + 1 - line.find(' '));
  control_database({"start", "-l", (data / "restart.log").string(), "-o", options});
}

void TestServer::control_database(std::vector<std::string> arguments) const {
  std::vector<std::string> line{pg_ctl_, "-w", "-D", (folder() / "data/postgres").string()};
  line.insert(line.end(), arguments.begin(), arguments.end());
  if (geteuid() == 0) {
    line.insert(line.begin(),
                {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"});
  }
  const auto result = run_process(line);
  EXPECT_EQ(result.status, 0) << result.output;
}

void TestServer::spend(const std::string& email, const std::string& tokens) const {
  sql(fmt::format(R"(INSERT INTO "LedgerEntries" ("user_id", "kind", "amount")
                     SELECT "id", 'upload', -{} FROM "Users" WHERE "email" = '{}')",
                  tokens, email));
}

TestUser::TestUser(const TestServer& server, Role role)
    : port_{server.port()}, client_{new_client()} {
  static std::atomic<int> number = 0;
  email_ = fmt::format("test-{}-{}@example.com", getpid(), ++number);
  const json::object credentials{{"email", email_}, {"password", kPassword}};
  id_ = text(call(201, "POST", "/auth/register", credentials), "id");
  if (role == admin) {
    const auto promoted = server.command({"users:role", email_, "admin"});
    EXPECT_EQ(promoted.status, 0) << promoted.output;
  }
  log_in();
}

void TestUser::log_in(const std::string& password) {
  const json::object credentials{{"email", email_}, {"password", password}};
  token_ = text(call(200, "POST", "/auth/login", credentials), "token");
  client_->set_token(token_);
}

std::unique_ptr<http::Client> TestUser::new_client() const {
  auto client = std::make_unique<http::Client>("127.0.0.1", port_);
  client->set_token(token_);
  return client;
}

void TestUser::connect(const TestServer& server) {
  port_ = server.port();
  client_ = new_client();
}

http::ClientResponse TestUser::send(const std::string& method, const std::string& path,
                                    const std::string& body,
                                    const std::map<std::string, std::string>& headers) {
  return client_->request(method, "/api/v1" + path, body, headers);
}

json::value TestUser::call(int expected, const std::string& method, const std::string& path,
                           const json::value& body) {
  const auto response = send(method, path, body.is_null() ? "" : json_text(body));
  EXPECT_EQ(response.status, expected) << method << " " << path << ": " << response.body;
  return response.body.empty() ? json::value{} : json::parse(response.body);
}

std::string TestUser::create_dataset(const std::string& name) {
  return text(call(201, "POST", "/datasets", json::object{{"name", name}}), "id");
}

http::ClientResponse TestUser::upload(const std::string& dataset, const fs::path& file,
                                      const std::string& name) {
  return client_->upload(fmt::format("/api/v1/datasets/{}/videos", dataset), file, name);
}

TestUser::Footage TestUser::with_footage(const std::string& name) {
  Footage footage{create_dataset(name), ""};
  const auto response = upload(footage.dataset, kClip);
  EXPECT_EQ(response.status, 201) << response.body;
  footage.video = text(json::parse(response.body), "id");
  return footage;
}

json::value TestUser::wait_for_end(const std::string& job) {
  json::value found;
  wait_until("the end of job " + job, [&] {
    found = call(200, "GET", "/jobs/" + job);
    const std::string status = text(found, "status");
    return status != "PENDING" && status != "RUNNING";
  });
  return found;
}

void TestUser::wait_for_progress(const std::string& job, int images) {
  wait_until("progress of job " + job, [&] {
    return integer(call(200, "GET", "/jobs/" + job).at("progress"), "done") >= images;
  });
}

Tokens TestUser::balance() {
  return Tokens::parse(json_text(call(200, "GET", "/users/me").at("tokens"))).value();
}

}  // namespace infernode::test
