#include "credits/credit_controller.hpp"

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

json::value entry_json(const LedgerEntry& entry) {
  json::object object{{"id", uuid_text(entry.id)},
                      {"kind", to_text(entry.kind)},
                      {"amount", json_tokens(entry.amount)},
                      {"balance_after", json_tokens(entry.balance_after)}};
  if (entry.job) {
    object.emplace("job_id", entry.job->to_string());
  }
  if (entry.video) {
    object.emplace("video_id", entry.video->to_string());
  }
  if (entry.admin) {
    object.emplace("admin_id", entry.admin->to_string());
  }
  if (entry.note) {
    object.emplace("note", *entry.note);
  }
  object.emplace("created_at", rfc3339(entry.created_at));
  return object;
}

awaitable<Result<Response>> list_entries(CreditService& credits, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  std::optional<LedgerKind> kind;
  if (const auto text = request.query_text("kind")) {
    kind = from_text<LedgerKind>(*text);
  }
  const auto entries = co_await credits.list(request.user(), *page, kind);
  co_return http::json_text_response(
      200, page_of(entries, page->limit, entry_json, [](const LedgerEntry& entry) {
        return Cursor{entry.created_at, entry.id};
      }));
}

// More than zero, with three decimals at most; nullopt otherwise.
std::optional<Tokens> amount_of(const json::value& number) {
  const auto amount = Tokens::parse(json_text(number));
  return amount && *amount > Tokens{} ? amount : std::nullopt;
}

awaitable<Result<Answer>> recharge(CreditService& credits, db::Transaction& transaction,
                                   Request& request) {
  const auto amount = amount_of(request.body.at("tokens"));
  if (!amount) {
    co_return invalid("/tokens", "An amount of tokens is above 0 and has three decimals at most.");
  }
  const auto user = request.id<UserId>();
  std::optional<std::string> note;
  if (const auto* text = request.body.as_object().if_contains("note")) {
    note = json::value_to<std::string>(*text);
  }
  const auto balance =
      co_await credits.recharge(transaction, request.user(), user, *amount, std::move(note));
  if (!balance) {
    co_return balance.error();
  }
  co_return json_answer(201, json::object{{"user_id", user.to_string()},
                                          {"amount", json_tokens(*amount)},
                                          {"balance_after", json_tokens(*balance)}});
}

awaitable<Result<Response>> check(CreditService& credits) {
  const auto report = co_await credits.check();
  if (!report) {
    co_return report.error();
  }
  co_return http::json_response(200, report_json(*report));
}

}  // namespace

json::object report_json(const LedgerReport& report) {
  json::array faults;
  for (const auto& fault : report.faults) {
    json::object object{{"user_id", fault.user.to_string()}};
    if (fault.seq > 0) {
      object.emplace("entry", fault.seq);
    }
    object.emplace("fault", fault.what);
    faults.push_back(std::move(object));
  }
  return {{"sound", report.sound()},     {"accounts", report.accounts},
          {"entries", report.entries},   {"fault_count", report.fault_count},
          {"faults", std::move(faults)}, {"seconds", report.seconds}};
}

void add_credit_routes(OnceRoutes& routes, CreditService& credits) {
  routes.router().on("listTransactions",
                     [&credits](Request& request) { return list_entries(credits, request); });
  routes.router().on("checkLedger", [&credits](Request&) { return check(credits); });
  routes.on("rechargeUser", [&credits](db::Transaction& transaction, Request& request) {
    return recharge(credits, transaction, request);
  });
}

}  // namespace infernode
