#include <cstdio>

#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/json.hpp"
#include "credits/credit_controller.hpp"

namespace infernode::cli {
namespace {

void print_report(const LedgerReport& report) {
  for (const auto& fault : report.faults) {
    const std::string entry = fault.seq > 0 ? " entry " + std::to_string(fault.seq) : std::string{};
    std::printf("account %s%s: %s\n", fault.user.to_string().c_str(), entry.c_str(),
                fault.what.c_str());
  }
  if (report.fault_count > static_cast<std::int64_t>(report.faults.size())) {
    std::printf("and %lld more\n", static_cast<long long>(report.fault_count) -
                                       static_cast<long long>(report.faults.size()));
  }
  std::printf("%lld entries of %lld accounts in %.1f s: %s\n",
              static_cast<long long>(report.entries), static_cast<long long>(report.accounts),
              report.seconds,
              report.sound() ? "sound" : (std::to_string(report.fault_count) + " faults").c_str());
}

}  // namespace

void add_ledger_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "ledger:verify",
                              "Check every balance against its entries, and every entry's hash");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "For programs");
  command->footer(
      "Reads the ledger once, on one snapshot, while everything goes on. The status is 1 "
      "if anything\nis wrong.");
  command->callback([&status, as_json] {
    const Config config = load_settings();
    const Database database{config};
    LedgerReport report;
    const auto migrations = known_migrations(config, kMigrations);
    with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
      co_await db::require_current_schema(connection, migrations);
      report = co_await check_ledger(connection);
    });
    if (*as_json) {
      std::printf("%s\n", json_text(report_json(report)).c_str());
    } else {
      print_report(report);
    }
    status = report.sound() ? 0 : 1;
  });
}

}  // namespace infernode::cli
