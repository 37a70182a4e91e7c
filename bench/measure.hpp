#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

// What every benchmark does with its figures and its rivals.
namespace infernode::bench {

// The middle one, the upper of two; there must be one.
double median(std::vector<double> values);
// "model name" of /proc/cpuinfo, with its line's end.
std::string processor();
// A figure of a process in KiB as /proc/PID/status names it: "VmRSS", what lies in memory now;
// "VmHWM", the most that ever did. 0 where there is none of that name.
long status_kib(pid_t process, const std::string& name);
// Processes of ours that were started with this word: "runner".
std::vector<pid_t> processes_of(const std::string& word);
// Transactions a second of a pgbench script (prepared) on the database of a server that listens on
// the socket in this folder. `options` say for how long: {"-T", "5"}. Throws std::runtime_error
// with what pgbench said.
double run_pgbench(const std::string& socket, const std::filesystem::path& script, int connections,
                   const std::vector<std::string>& options);

}  // namespace infernode::bench
