#include "accounts/account_controller.hpp"

#include "core/json.hpp"
#include "http/session_cookie.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::asio::awaitable;

json::object user_json(const User& user, const AccountRules& rules) {
  return {{"id", user.id.to_string()},
          {"email", user.email},
          {"role", to_text(user.role)},
          {"tokens", json_tokens(user.tokens)},
          {"storage", json::object{{"used", user.storage_used},
                                   {"quota", user.storage_quota.value_or(rules.storage_quota)}}},
          {"created_at", rfc3339(user.created_at)},
          {"updated_at", rfc3339(user.updated_at)}};
}

std::string text_at(const json::value& body, const char* name) {
  return json::value_to<std::string>(body.at(name));
}

awaitable<Result<http::Response>> register_user(AccountService& accounts, http::Request& request) {
  const auto user = co_await accounts.register_user(
      text_at(request.body, "email"), text_at(request.body, "password"), request.address);
  if (!user) {
    co_return user.error();
  }
  co_return http::json_response(201, user_json(*user, accounts.rules()));
}

awaitable<Result<http::Response>> login(AccountService& accounts, http::Request& request) {
  const auto login = co_await accounts.login(text_at(request.body, "email"),
                                             text_at(request.body, "password"), request.address);
  if (!login) {
    co_return login.error();
  }
  auto response =
      http::json_response(200, json::object{{"token", login->token},
                                            {"token_type", "Bearer"},
                                            {"expires_in", login->expires_in_seconds},
                                            {"user", user_json(login->user, accounts.rules())}});
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

awaitable<Result<http::Response>> get_me(AccountService& accounts, http::Request& request) {
  co_return http::json_response(200, user_json(*request.principal->user, accounts.rules()));
}

awaitable<Result<http::Response>> change_password(AccountService& accounts,
                                                  http::Request& request) {
  const auto changed =
      co_await accounts.change_password(request.user(), text_at(request.body, "current_password"),
                                        text_at(request.body, "new_password"), request.address);
  if (!changed) {
    co_return changed.error();
  }
  co_return http::no_content();
}

awaitable<Result<http::Response>> begin_session(AccountService& accounts, http::Request& request) {
  // A page of another origin must not log somebody in as its own user.
  if (!request.header("origin").empty() && request.header("origin") != http::origin_of(request)) {
    co_return http::not_same_origin(request);
  }
  const auto session = co_await accounts.begin_session(
      text_at(request.body, "email"), text_at(request.body, "password"), request.address);
  if (!session) {
    co_return session.error();
  }
  auto response =
      http::json_response(200, json::object{{"expires_in", session->expires_in_seconds},
                                            {"user", user_json(session->user, accounts.rules())}});
  response.headers.emplace_back(
      "Set-Cookie",
      http::set_session_cookie(request, session->secret, session->expires_in_seconds));
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

// Also of a session that has ended already, so that the cookie goes in any case.
awaitable<Result<http::Response>> end_session(AccountService& accounts, http::Request& request) {
  if (auto secret = http::session_cookie(request)) {
    if (request.header("origin") != http::origin_of(request)) {
      co_return http::not_same_origin(request);
    }
    co_await accounts.end_session(std::move(*secret));
  }
  auto response = http::no_content();
  response.headers.emplace_back("Set-Cookie", http::set_session_cookie(request, "", 0));
  co_return response;
}

awaitable<Result<http::Response>> set_password(AccountService& accounts, http::Request& request) {
  const auto set = co_await accounts.set_password(text_at(request.body, "token"),
                                                  text_at(request.body, "new_password"));
  if (!set) {
    co_return set.error();
  }
  co_return http::no_content();
}

json::object link_json(const PasswordLink& link, const http::Request& request) {
  return {{"token", link.secret},
          {"url", http::origin_of(request) + "/password.html#" + link.secret},
          {"expires_at", rfc3339(link.expires_at)}};
}

// As administrators see a user.
json::object administered_json(const User& user, const AccountRules& rules) {
  auto object = user_json(user, rules);
  object.emplace("disabled", user.disabled_at.has_value());
  object.emplace("weight", user.weight);
  const auto limit = [](const auto& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  object.emplace("max_running_segments", limit(user.max_running_segments));
  object.emplace("max_open_jobs", limit(user.max_open_jobs));
  object.emplace("storage_quota", limit(user.storage_quota));
  return object;
}

awaitable<Result<http::Response>> list_users(UserAdministration& accounts,
                                             const AccountRules& rules, http::Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  auto part = request.query_text("q");
  const auto users = co_await accounts.list(std::move(part), *page);
  co_return http::json_text_response(
      200, page_of(
               users, page->limit,
               [&rules](const User& user) -> json::value { return administered_json(user, rules); },
               [](const User& user) {
                 return Cursor{user.created_at, user.id.value};
               }));
}

awaitable<Result<http::Response>> get_user(UserAdministration& accounts, const AccountRules& rules,
                                           http::Request& request) {
  const auto user = co_await accounts.find(request.id<UserId>());
  if (!user) {
    co_return user.error();
  }
  co_return http::json_response(200, administered_json(*user, rules));
}

awaitable<Result<OnceRoutes::SecretAnswer>> create_user(UserAdministration& accounts,
                                                        const AccountRules& rules,
                                                        db::Transaction& transaction,
                                                        http::Request& request) {
  const auto& body = request.body.as_object();
  Role role = Role::user;
  if (const auto* given = body.if_contains("role")) {
    role = from_text<Role>(std::string_view{given->as_string()}).value_or(role);
  }
  auto tokens = std::optional{kOpeningBalance};
  if (const auto* given = body.if_contains("tokens")) {
    tokens = Tokens::parse(json_text(*given));
    if (!tokens || *tokens < Tokens{}) {
      co_return invalid("/tokens",
                        "An amount of tokens is 0 or more and has three decimals at most.");
    }
  }
  auto email = text_at(request.body, "email");
  const auto invited =
      co_await accounts.invite(transaction, request.user(), std::move(email), role, *tokens);
  if (!invited) {
    co_return invited.error();
  }
  OnceRoutes::SecretAnswer answer;
  answer.answer = json_answer(201, administered_json(invited->user, rules));
  answer.shown_once.emplace("password_link", link_json(invited->link, request));
  co_return answer;
}

awaitable<Result<OnceRoutes::SecretAnswer>> create_password_link(UserAdministration& accounts,
                                                                 const AccountRules& /*rules*/,
                                                                 db::Transaction& transaction,
                                                                 http::Request& request) {
  const auto id = request.id<UserId>();
  const auto link = co_await accounts.make_link(transaction, request.user(), id);
  if (!link) {
    co_return link.error();
  }
  OnceRoutes::SecretAnswer answer;
  answer.answer = json_answer(201, json::object{{"user_id", id.to_string()}});
  answer.shown_once.emplace("password_link", link_json(*link, request));
  co_return answer;
}

// A limit that is given, and may be null.
template <class Number>
std::optional<std::optional<Number>> limit_at(const json::value& body, const char* name) {
  const auto* limit = body.as_object().if_contains(name);
  if (limit == nullptr) {
    return std::nullopt;
  }
  return limit->is_null() ? std::optional<Number>{} : json::value_to<Number>(*limit);
}

awaitable<Result<http::Response>> update_user(UserAdministration& accounts,
                                              const AccountRules& rules, http::Request& request) {
  UserChange change;
  if (const auto* role = request.body.as_object().if_contains("role")) {
    change.role = from_text<Role>(std::string_view{role->as_string()});
  }
  if (const auto* disabled = request.body.as_object().if_contains("disabled")) {
    change.disabled = disabled->as_bool();
  }
  if (const auto* weight = request.body.as_object().if_contains("weight")) {
    change.weight = json::value_to<double>(*weight);
  }
  change.max_running_segments = limit_at<int>(request.body, "max_running_segments");
  change.max_open_jobs = limit_at<int>(request.body, "max_open_jobs");
  change.storage_quota = limit_at<std::int64_t>(request.body, "storage_quota");
  const auto user = co_await accounts.update(request.user(), request.id<UserId>(), change);
  if (!user) {
    co_return user.error();
  }
  co_return http::json_response(200, administered_json(*user, rules));
}

}  // namespace

void add_account_routes(OnceRoutes& routes, AccountService& accounts,
                        UserAdministration& administration, const TokenSigner& signer) {
  auto& router = routes.router();
  const auto on = [&](const char* operation, auto& service, auto function) {
    router.on(operation,
              [&service, function](http::Request& request) { return function(service, request); });
  };
  on("register", accounts, register_user);
  on("login", accounts, login);
  on("getMe", accounts, get_me);
  on("changePassword", accounts, change_password);
  on("beginSession", accounts, begin_session);
  on("endSession", accounts, end_session);
  on("setPassword", accounts, set_password);
  const auto on_users = [&](const char* operation, auto function) {
    router.on(operation, [&administration, &accounts, function](http::Request& request) {
      return function(administration, accounts.rules(), request);
    });
  };
  on_users("listUsers", list_users);
  on_users("getUser", get_user);
  on_users("updateUser", update_user);
  const auto on_secret = [&](const char* operation, auto function) {
    routes.on_secret(operation, [&administration, &accounts, function](db::Transaction& transaction,
                                                                       http::Request& request) {
      return function(administration, accounts.rules(), transaction, request);
    });
  };
  on_secret("createUser", create_user);
  on_secret("createPasswordLink", create_password_link);
  router.on("getJwks", [&signer](http::Request&) -> awaitable<Result<http::Response>> {
    co_return http::json_response(200, signer.key_set());
  });
}

http::Authenticator make_authenticator(AccountService& accounts) {
  return [&accounts](http::Presented presented) -> awaitable<Result<http::Principal>> {
    Result<Identity> identity = Identity{};
    if (presented.is_cookie) {
      identity = co_await accounts.authenticate_session(std::move(presented.secret));
    } else {
      identity = co_await accounts.authenticate(std::move(presented.secret));
    }
    if (!identity) {
      co_return identity.error();
    }
    const auto& user = identity->user;
    http::Principal principal{user->id, user->role == Role::admin, user, identity->scopes};
    co_return principal;
  };
}

}  // namespace infernode
