#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

// One function a subcommand (or family of them); each adds its options and what to do, and sets
// `status`, the exit status, when run.
namespace infernode::cli {

// CLI11 refuses colons in the names that add_subcommand() takes, though it can parse them.
inline CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& help) {
  return app.add_subcommand(std::make_shared<CLI::App>(help, name));
}

void add_serve_command(CLI::App& app, int& status);
void add_worker_command(CLI::App& app, int& status);
void add_run_command(CLI::App& app, int& status);
void add_replay_command(CLI::App& app, int& status);
void add_db_commands(CLI::App& app, int& status);
void add_keys_command(CLI::App& app, int& status);
void add_ledger_command(CLI::App& app, int& status);
void add_users_commands(CLI::App& app, int& status);
void add_models_command(CLI::App& app, int& status);
void add_tracks_command(CLI::App& app, int& status);
void add_doctor_command(CLI::App& app, int& status);
void add_demo_command(CLI::App& app, int& status);
void add_watch_command(CLI::App& app, int& status);
void add_completion_command(CLI::App& app, int& status);
// Not for people: what the worker starts.
void add_runner_command(CLI::App& app, int& status);

}  // namespace infernode::cli
