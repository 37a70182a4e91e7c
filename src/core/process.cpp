#include "core/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace infernode {
namespace {

constexpr std::size_t kMaxOutput = 64 * 1024;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Runs between fork and exec, so only what is async-signal-safe may be called.
[[noreturn]] void become(char* const* arguments, int output,
                         const std::optional<Account>& account) {
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (account &&
      (setgroups(0, nullptr) != 0 || setgid(account->gid) != 0 || setuid(account->uid) != 0)) {
    _exit(126);
  }
  // The caller's folder may be closed to the other user; nothing we start needs it.
  if (account && chdir("/") != 0) {
    _exit(126);
  }
  execvp(arguments[0], arguments);
  _exit(127);
}

}  // namespace

std::optional<Account> find_account(const std::string& name) {
  const passwd* entry = getpwnam(name.c_str());
  return entry == nullptr ? std::nullopt
                          : std::optional<Account>{Account{entry->pw_uid, entry->pw_gid}};
}

ProcessResult run_process(const std::vector<std::string>& arguments,
                          std::optional<Account> account) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    fail("pipe");
  }
  const pid_t child = fork();
  if (child < 0) {
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    fail("fork");
  }
  if (child == 0) {
    become(argv.data(), pipe_ends[1], account);
  }
  close(pipe_ends[1]);
  // Only until the child itself ends: a daemon that it leaves behind may keep the pipe open.
  ProcessResult result{-1, {}};
  char buffer[4096];
  fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  int status = 0;
  for (bool ended = false; !ended;) {
    ended = waitpid(child, &status, WNOHANG) == child;
    for (;;) {
      const ssize_t got = read(pipe_ends[0], buffer, sizeof buffer);
      if (got <= 0) {
        break;
      }
      result.output.append(buffer, static_cast<std::size_t>(got));
      if (result.output.size() > kMaxOutput) {
        result.output.erase(0, result.output.size() - kMaxOutput);
      }
    }
    if (!ended) {
      usleep(2000);
    }
  }
  close(pipe_ends[0]);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::filesystem::path own_binary() {
  return std::filesystem::read_symlink("/proc/self/exe");
}

}  // namespace infernode
