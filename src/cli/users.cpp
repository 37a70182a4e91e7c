#include <boost/asio/co_spawn.hpp>
#include <cstdio>
#include <stdexcept>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"

namespace infernode::cli {
namespace {

asio::awaitable<void> set_role(App& app, const TokenSigner& signer, std::string email,
                               std::string role) {
  const auto user = co_await app.user_repository.find_by_email(normalised_email(email));
  if (!user) {
    throw std::runtime_error("there is no user " + email + "; register first");
  }
  PasswordHasher hasher{app.blocking, app.config.bcrypt_cost, app.config.hash_queue};
  AccountService accounts{app.user_repository, signer,    hasher,
                          app.throttle,        app.audit, app.config.jwt_ttl_seconds};
  UserChange change{role, std::nullopt};
  const auto updated = co_await accounts.update(std::nullopt, user->id, std::move(change));
  if (!updated) {
    throw std::runtime_error(updated.error().detail);
  }
  std::printf("%s is %s now\n", updated->email.c_str(), updated->role.c_str());
}

}  // namespace

void add_users_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "users:role", "Make a user administrator, or no longer");
  auto email = std::make_shared<std::string>();
  auto role = std::make_shared<std::string>();
  command->add_option("EMAIL", *email, "Of somebody who has registered")->required();
  command->add_option("ROLE", *role, "admin or user")
      ->required()
      ->check(CLI::IsMember({"admin", "user"}));
  command->footer(
      "This is how an installation gets its first administrator; the audit names no one "
      "for it.");
  command->callback([&status, email, role] {
    const Config config = load_settings();
    const Database database{config};
    App rooms{config, database.conninfo(), {}};
    const TokenSigner nobody{KeyRing{}};
    std::exception_ptr failure;
    asio::co_spawn(rooms.context, set_role(rooms, nobody, *email, *role),
                   [&](const std::exception_ptr& error) { failure = error; });
    rooms.context.run();
    if (failure) {
      std::rethrow_exception(failure);
    }
    status = 0;
  });
}

}  // namespace infernode::cli
