#include <fmt/format.h>

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

struct NewUser {
  std::string email;
  std::string role = "user";
  std::string tokens = kOpeningBalance.to_string();
};

asio::awaitable<void> add_user(db::Pool& database, UserAdministration& users, NewUser wanted,
                               std::string address) {
  const auto tokens = Tokens::parse(wanted.tokens);
  if (!tokens || *tokens < Tokens{}) {
    throw std::runtime_error("--tokens is 0 or more, with three decimals at most");
  }
  auto transaction = co_await database.begin();
  const auto role = from_text<Role>(wanted.role).value();
  const auto invited =
      co_await users.invite(transaction, std::nullopt, std::move(wanted.email), role, *tokens);
  if (!invited) {
    throw std::runtime_error(invited.error().detail);
  }
  co_await transaction.commit();
  std::printf(
      "%s (%s) has an account, and sets its password here, once, until %s:\n%s/password.html#%s\n",
      invited->user.email.c_str(), std::string{to_text(role)}.c_str(),
      rfc3339(invited->link.expires_at).c_str(), address.c_str(), invited->link.secret.c_str());
}

// Runs `work` with the database of the settings.
void administer(const std::function<asio::awaitable<void>(db::Pool&, UserAdministration&)>& work) {
  const Config config = load_settings();
  const Database database{config};
  asio::io_context context{1};
  db::Pool pool{context.get_executor(), database.conninfo(), 1};
  AuditService audit{pool};
  CredentialService credentials{pool, 0};
  UserAdministration users{pool, audit, credentials};
  std::exception_ptr failure;
  asio::co_spawn(context, work(pool, users),
                 [&](const std::exception_ptr& error) { failure = error; });
  context.run();
  pool.close();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

void add_role_command(CLI::App& app, int& status) {
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
    administer([&](db::Pool&, UserAdministration& users) {
      return set_role(users, *email, from_text<Role>(*role).value());
    });
    status = 0;
  });
}

void add_add_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "users:add",
                              "Make an account, and a link by which its owner sets the password");
  auto wanted = std::make_shared<NewUser>();
  auto address = std::make_shared<std::string>();
  command->add_option("EMAIL", wanted->email, "E-mail address")->required();
  command->add_option("--role", wanted->role, "admin or user")
      ->check(CLI::IsMember({"admin", "user"}))
      ->capture_default_str();
  command->add_option("--tokens", wanted->tokens, "The opening balance")->capture_default_str();
  command->add_option("--url", *address,
                      "Where people reach this installation; http://INFERNODE_HOST:INFERNODE_PORT "
                      "unless given");
  command->footer(
      "The link is printed once and works once, for three days. Another one comes from "
      "POST /api/v1/admin/users/{id}/password-link.");
  command->callback([&status, wanted, address] {
    if (address->empty()) {
      const Config config = load_settings();
      if (config.host == "0.0.0.0" || config.host == "::") {
        throw std::runtime_error(
            "INFERNODE_HOST is every address; say with --url where people find it");
      }
      const bool version_6 = config.host.find(':') != std::string::npos;
      *address = fmt::format("http://{}{}{}:{}", version_6 ? "[" : "", config.host,
                             version_6 ? "]" : "", config.port);
    }
    administer([&](db::Pool& database, UserAdministration& users) {
      return add_user(database, users, *wanted, *address);
    });
    status = 0;
  });
}

}  // namespace

void add_users_commands(CLI::App& app, int& status) {
  add_add_command(app, status);
  add_role_command(app, status);
}

}  // namespace infernode::cli
