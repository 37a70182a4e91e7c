#include "measure.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "core/process.hpp"
#include "db/embedded_server.hpp"

namespace infernode::bench {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string processor() {
  return run_process({"sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2"}).output;
}

long status_kib(pid_t process, const std::string& name) {
  std::ifstream in{"/proc/" + std::to_string(process) + "/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) {
      return std::stol(line.substr(name.size() + 1));
    }
  }
  return 0;
}

std::vector<pid_t> processes_of(const std::string& word) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    std::ifstream command{entry.path() / "cmdline"};
    const std::string words{std::istreambuf_iterator<char>{command}, {}};
    if (words.find("infernode") != std::string::npos &&
        words.find('\0' + word + '\0') != std::string::npos) {
      found.push_back(static_cast<pid_t>(std::stol(entry.path().filename().string())));
    }
  }
  return found;
}

double run_pgbench(const std::string& socket, const std::filesystem::path& script, int connections,
                   const std::vector<std::string>& options) {
  const auto programs = db::find_postgres({});
  if (!programs) {
    throw std::runtime_error("PostgreSQL's programs are not installed");
  }
  std::vector<std::string> command{(*programs / "pgbench").string(), "-n", "-M", "prepared", "-c",
                                   std::to_string(connections),      "-j", "2"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(),
                 {"-f", script.string(), "-h", socket, "-U", "postgres", "InferNode"});
  const auto result = run_process(command);
  const auto at = result.output.find("tps = ");
  if (result.status != 0 || at == std::string::npos) {
    throw std::runtime_error("pgbench: " + result.output);
  }
  return std::stod(result.output.substr(at + 6));
}

}  // namespace infernode::bench
