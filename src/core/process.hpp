#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace infernode {

// The account that a child process runs as.
struct Account {
  uid_t uid;
  gid_t gid;
};

// The account of that name; nullopt when the machine has none.
std::optional<Account> find_account(const std::string& name);

struct ProcessResult {
  int status;          // exit status; 128 + signal when killed
  std::string output;  // standard output and standard error, the last 64 KiB
};

// Runs a program to its end, without a shell, with no standard input. With `account` it changes to
// that user first (root only). Blocks. Throws std::system_error when the program cannot be started.
ProcessResult run_process(const std::vector<std::string>& arguments,
                          std::optional<Account> account = std::nullopt);

// The path of the running binary.
std::filesystem::path own_binary();

}  // namespace infernode
