#include "jobs/worker_info.hpp"

#include <boost/json.hpp>

#include "core/json.hpp"

namespace infernode {

namespace json = boost::json;

std::string totals_json(const WorkerTotals& totals) {
  json::object images;
  for (const auto& [model, count] : totals.images) {
    images.emplace(model, count);
  }
  return json_text(json::object{{"images", std::move(images)},
                                {"segments", totals.segments},
                                {"retries", totals.retries},
                                {"joules", totals.joules},
                                {"tokens_settled", totals.settled.thousandths()}});
}

WorkerTotals totals_from_json(std::string_view text) {
  WorkerTotals totals;
  const auto value = json::parse(json::string_view{text.data(), text.size()});
  const auto& object = value.as_object();
  const auto whole = [&object](const char* name) {
    const auto* member = object.if_contains(name);
    return member == nullptr ? std::int64_t{0} : json::value_to<std::int64_t>(*member);
  };
  if (const auto* images = object.if_contains("images")) {
    for (const auto& [model, count] : images->as_object()) {
      totals.images.emplace(model, json::value_to<std::int64_t>(count));
    }
  }
  if (const auto* joules = object.if_contains("joules")) {
    totals.joules = json::value_to<double>(*joules);
  }
  totals.segments = whole("segments");
  totals.retries = whole("retries");
  totals.settled = Tokens::from_thousandths(whole("tokens_settled"));
  return totals;
}

}  // namespace infernode
