#include "accounts/user_administration.hpp"

#include "accounts/account_service.hpp"
#include "accounts/user_dao.hpp"
#include "accounts/user_repository.hpp"

namespace infernode {
namespace {

Error not_found() {
  return {ErrorCode::not_found, "There is no such user."};
}

}  // namespace

asio::awaitable<std::vector<User>> UserAdministration::list(std::optional<std::string> part,
                                                            PageRequest page) {
  co_return co_await user_dao::list(database_, std::move(part), page.after, page.limit + 1);
}

asio::awaitable<Result<UserAdministration::Invitation>> UserAdministration::invite(
    db::Transaction& transaction, std::optional<UserId> admin, std::string email, Role role,
    Tokens tokens) {
  email = normalised_email(std::move(email));
  if (!is_email(email)) {
    co_return invalid("/email", "This is not an e-mail address.");
  }
  auto user = co_await user_dao::insert_invited(transaction, email, role, tokens);
  if (!user) {
    co_return Error{ErrorCode::conflict, "There is already an account with this e-mail address."};
  }
  AuditedAct act{
      .admin = admin,
      .action = "user.create",
      .user = user->id,
      .details = {{"email", email}, {"role", to_text(role)}, {"tokens", tokens.to_string()}}};
  audit_.record(transaction, act);
  auto link = co_await credentials_.make_link(transaction, user->id);
  co_return Invitation{std::move(*user), std::move(link)};
}

asio::awaitable<Result<PasswordLink>> UserAdministration::make_link(db::Transaction& transaction,
                                                                    std::optional<UserId> admin,
                                                                    UserId user) {
  const auto found = co_await user_dao::find(transaction, user);
  if (!found) {
    co_return not_found();
  }
  AuditedAct act{.admin = admin, .action = "user.password_link", .user = user};
  audit_.record(transaction, act);
  co_return co_await credentials_.make_link(transaction, user);
}

asio::awaitable<Result<User>> UserAdministration::find(UserId id) {
  auto user = co_await user_dao::find(database_, id);
  if (!user) {
    co_return not_found();
  }
  co_return std::move(*user);
}

asio::awaitable<Result<User>> UserAdministration::update(std::optional<UserId> admin, UserId id,
                                                         UserChange change) {
  if (admin && *admin == id) {
    co_return Error{ErrorCode::conflict,
                    "Administrators do not change their own role or disable themselves; another "
                    "one does."};
  }
  AuditedAct act{.admin = admin, .action = "user.update", .user = id};
  if (change.role) {
    act.details.emplace("role", to_text(*change.role));
  }
  if (change.disabled) {
    act.details.emplace("disabled", *change.disabled);
  }
  if (change.weight) {
    act.details.emplace("weight", *change.weight);
  }
  const auto add_limit = [&act](const char* name, const auto& limit) {
    if (limit) {
      act.details.emplace(name, *limit ? boost::json::value(**limit) : boost::json::value(nullptr));
    }
  };
  add_limit("max_running_segments", change.max_running_segments);
  add_limit("max_open_jobs", change.max_open_jobs);
  add_limit("storage_quota", change.storage_quota);
  auto transaction = co_await database_.begin();
  auto updated = co_await user_repository::update(transaction, id, change);
  if (updated.result == user_repository::Update::not_found) {
    co_return not_found();
  }
  if (updated.result == user_repository::Update::last_admin) {
    co_return Error{ErrorCode::conflict, "Nobody would be administrator any more."};
  }
  audit_.record(transaction, act);
  co_await transaction.commit();
  co_return std::move(*updated.user);
}

asio::awaitable<std::optional<User>> UserAdministration::find_by_email(std::string email) {
  co_return co_await user_dao::find_by_email(database_, normalised_email(std::move(email)));
}

}  // namespace infernode
