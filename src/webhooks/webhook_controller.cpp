#include "webhooks/webhook_controller.hpp"

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

json::object secret_json(const WebhookService::SecretState& state) {
  json::object object{{"created_at", rfc3339(state.created_at)}};
  if (state.former_until) {
    object.emplace("former_until", rfc3339(*state.former_until));
  }
  return object;
}

json::object delivery_json(const Delivery& delivery) {
  json::object object{{"id", delivery.id.to_string()},
                      {"job_id", delivery.job.to_string()},
                      {"url", delivery.url},
                      {"status", to_text(delivery.status)},
                      {"attempts", delivery.attempts}};
  if (delivery.answer) {
    object.emplace("answer", *delivery.answer);
  }
  if (delivery.error) {
    object.emplace("error", *delivery.error);
  }
  object.emplace("created_at", rfc3339(delivery.created_at));
  if (delivery.status == DeliveryStatus::pending) {
    object.emplace("next_attempt_at", rfc3339(delivery.next_attempt_at));
  }
  if (delivery.delivered_at) {
    object.emplace("delivered_at", rfc3339(*delivery.delivered_at));
  }
  return object;
}

awaitable<Result<Response>> get_secret(WebhookService& webhooks, Request& request) {
  // HEAD would use the one showing up.
  const bool may_see = !request.principal->scopes && request.method == "GET";
  const auto state = co_await webhooks.show_secret(request.user(), may_see);
  auto object = secret_json(state);
  if (state.secret) {
    object.emplace("secret", *state.secret);
  }
  auto response = http::json_response(200, object);
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

awaitable<Result<OnceRoutes::SecretAnswer>> replace_secret(WebhookService& webhooks,
                                                           db::Transaction& transaction,
                                                           Request& request) {
  const auto state = co_await webhooks.replace_secret(transaction, request.user());
  OnceRoutes::SecretAnswer answer;
  answer.answer = json_answer(201, secret_json(state));
  answer.shown_once.emplace("secret", state.secret.value());
  co_return answer;
}

awaitable<Result<Response>> list_deliveries(WebhookService& webhooks, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  std::optional<JobId> job;
  if (const auto* id = request.query.if_contains("job_id")) {
    job = JobId::parse(json::value_to<std::string>(*id)).value_or(JobId{});
  }
  std::optional<DeliveryStatus> status;
  if (const auto* text = request.query.if_contains("status")) {
    status = from_text<DeliveryStatus>(std::string_view{text->as_string()});
  }
  const auto deliveries = co_await webhooks.list(request.user(), job, status, *page);
  co_return http::json_text_response(
      200, page_of(deliveries, page->limit, delivery_json, [](const Delivery& delivery) {
        return Cursor{delivery.created_at, delivery.id.value};
      }));
}

awaitable<Result<Response>> resend_delivery(WebhookService& webhooks, Request& request) {
  const auto delivery = co_await webhooks.resend(request.user(), request.id<DeliveryId>());
  if (!delivery) {
    co_return delivery.error();
  }
  co_return http::json_response(200, delivery_json(*delivery));
}

}  // namespace

void add_webhook_routes(OnceRoutes& routes, WebhookService& webhooks) {
  const auto on = [&](const char* operation, auto function) {
    routes.router().on(
        operation, [&webhooks, function](Request& request) { return function(webhooks, request); });
  };
  on("getWebhookSecret", get_secret);
  on("listDeliveries", list_deliveries);
  on("resendDelivery", resend_delivery);
  routes.on_secret("replaceWebhookSecret",
                   [&webhooks](db::Transaction& transaction, Request& request) {
                     return replace_secret(webhooks, transaction, request);
                   });
}

}  // namespace infernode
