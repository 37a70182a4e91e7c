#include "runner/options.hpp"

#include <boost/json.hpp>

#include "core/json.hpp"

namespace infernode::runner {

namespace json = boost::json;

std::string RunnerOptions::to_argument() const {
  return json_text(json::object{{"model_folder", model_folder},
                                {"models", json::value_from(models)},
                                {"device", device},
                                {"threads", threads},
                                {"model_bytes", model_bytes},
                                {"tries_models", tries_models}});
}

RunnerOptions RunnerOptions::from_argument(std::string_view text) {
  const auto given = json::parse(text);
  return {json::value_to<std::string>(given.at("model_folder")),
          json::value_to<std::vector<std::string>>(given.at("models")),
          json::value_to<std::string>(given.at("device")),
          json::value_to<int>(given.at("threads")),
          json::value_to<std::int64_t>(given.at("model_bytes")),
          given.at("tries_models").as_bool()};
}

}  // namespace infernode::runner
