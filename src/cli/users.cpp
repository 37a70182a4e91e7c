#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <stdexcept>

#include "accounts/user_administration.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"

namespace infernode::cli {
namespace {

asio::awaitable<void> set_role(UserAdministration& users, std::string email, Role role) {
  const auto user = co_await users.find_by_email(email);
  if (!user) {
    throw std::runtime_error("there is no user " + email + "; register first");
  }
  UserChange change{role, std::nullopt};
  const auto updated = co_await users.update(std::nullopt, user->id, change);
  if (!updated) {
    throw std::runtime_error(updated.error().detail);
  }
  std::printf("%s is %s now\n", updated->email.c_str(),
              std::string{to_text(updated->role)}.c_str());
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
    asio::io_context context{1};
    db::Pool pool{context.get_executor(), database.conninfo(), 1};
    AuditService audit{pool};
    UserAdministration users{pool, audit};
    std::exception_ptr failure;
    asio::co_spawn(context, set_role(users, *email, from_text<Role>(*role).value()),
                   [&](const std::exception_ptr& error) { failure = error; });
    context.run();
    pool.close();
    if (failure) {
      std::rethrow_exception(failure);
    }
    status = 0;
  });
}

}  // namespace infernode::cli
