#include "runner/child/runner.hpp"

#include "cli/commands.hpp"

namespace infernode::cli {

void add_runner_command(CLI::App& app, int& /*status*/) {
  auto* command = add_command(app, "runner", "Started by workers, never by people");
  command->group("");  // hidden
  auto options = std::make_shared<std::string>();
  command->add_option("options", *options)->required();
  command->callback(
      [options] { runner::run_runner(runner::RunnerOptions::from_argument(*options)); });
}

}  // namespace infernode::cli
