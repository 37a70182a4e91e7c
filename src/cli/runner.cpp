#include "runner/child/runner.hpp"
#include "cli/commands.hpp"

namespace infernode::cli {

void add_runner_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "runner", "Started by workers, never by people");
  command->group("");  // hidden
  auto options = std::make_shared<runner::RunnerOptions>();
  command->add_option("--model-folder", options->model_folder);
  command->add_option("--model", options->models);
  command->add_option("--device", options->device);
  command->add_option("--threads", options->threads);
  command->callback([&status, options] { status = runner::run_runner(*options); });
}

}  // namespace infernode::cli
