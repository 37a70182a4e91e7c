#include <cstdio>
#include <exception>

#include "cli/commands.hpp"
#include "core/embedded.hpp"

int main(int argc, char** argv) {
  using namespace infernode::cli;  // NOLINT(google-build-using-namespace): this file only wires
  CLI::App app{
      "InferNode: upload videos, queue inference over their frames, get JSON and annotated images\n"
      "back. Settings come from the environment and ./.env; see .env.example.",
      "infernode"};
  app.set_version_flag("--version", std::string{infernode::build_version()});
  app.require_subcommand(1);
  int status = 0;
  add_serve_command(app, status);
  add_worker_command(app, status);
  add_run_command(app, status);
  add_replay_command(app, status);
  add_db_commands(app, status);
  add_keys_command(app, status);
  add_users_commands(app, status);
  add_ledger_command(app, status);
  add_models_command(app, status);
  add_tracks_command(app, status);
  add_doctor_command(app, status);
  add_demo_command(app, status);
  add_watch_command(app, status);
  add_completion_command(app, status);
  add_runner_command(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "infernode: %s\n", error.what());
    return 1;
  }
  return status;
}
