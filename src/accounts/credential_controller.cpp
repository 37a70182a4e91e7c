#include "accounts/account_controller.hpp"
#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::asio::awaitable;

json::object key_json(const ApiKey& key) {
  const auto moment = [](const std::optional<Timestamp>& time) {
    return time ? json::value(rfc3339(*time)) : json::value(nullptr);
  };
  return {{"id", key.id.to_string()},
          {"name", key.name},
          {"scopes", json::value_from(key.scopes)},
          {"expires_at", moment(key.expires_at)},
          {"last_used_at", moment(key.last_used_at)},
          {"created_at", rfc3339(key.created_at)}};
}

awaitable<Result<OnceRoutes::SecretAnswer>> create_key(CredentialService& credentials,
                                                       db::Transaction& transaction,
                                                       http::Request& request) {
  const auto& body = request.body.as_object();
  NewApiKey wanted;
  wanted.name = json::value_to<std::string>(body.at("name"));
  wanted.scopes = json::value_to<std::vector<std::string>>(body.at("scopes"));
  if (const auto* expires = body.if_contains("expires_at"); expires && !expires->is_null()) {
    wanted.expires_at = parse_rfc3339(std::string_view{expires->as_string()});
    if (!wanted.expires_at) {
      co_return invalid("/expires_at", "A moment is written as 2030-01-31T12:00:00Z (RFC 3339).");
    }
  }
  const auto made = co_await credentials.make_key(transaction, request.user(), std::move(wanted));
  if (!made) {
    co_return made.error();
  }
  OnceRoutes::SecretAnswer answer;
  answer.answer = json_answer(201, key_json(made->key));
  answer.shown_once.emplace("key", made->secret);
  co_return answer;
}

awaitable<Result<http::Response>> list_keys(CredentialService& credentials,
                                            http::Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  const auto keys = co_await credentials.list_keys(request.user(), *page);
  co_return http::json_text_response(
      200, page_of(
               keys, page->limit, [](const ApiKey& key) -> json::value { return key_json(key); },
               [](const ApiKey& key) {
                 return Cursor{key.created_at, key.id.value};
               }));
}

awaitable<Result<http::Response>> delete_key(CredentialService& credentials,
                                             http::Request& request) {
  const auto removed = co_await credentials.remove_key(request.user(), request.id<CredentialId>());
  if (!removed) {
    co_return removed.error();
  }
  co_return http::no_content();
}

}  // namespace

void add_credential_routes(OnceRoutes& routes, CredentialService& credentials) {
  routes.on_secret("createKey",
                   [&credentials](db::Transaction& transaction, http::Request& request) {
                     return create_key(credentials, transaction, request);
                   });
  routes.router().on("listKeys", [&credentials](http::Request& request) {
    return list_keys(credentials, request);
  });
  routes.router().on("deleteKey", [&credentials](http::Request& request) {
    return delete_key(credentials, request);
  });
}

}  // namespace infernode
