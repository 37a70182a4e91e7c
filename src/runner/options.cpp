#include "runner/options.hpp"

#include <boost/json.hpp>

#include "core/json.hpp"

namespace infernode::runner {

namespace json = boost::json;

void RunnerOptions::add_model(std::string file, std::int64_t bytes) {
  model_files.push_back(std::move(file));
  model_bytes += bytes;
}

std::string RunnerOptions::to_argument() const {
  return json_text(json::object{{"model_files", json::value_from(model_files)},
                                {"device", device},
                                {"threads", threads},
                                {"model_bytes", model_bytes},
                                {"tries_models", tries_models}});
}

RunnerOptions RunnerOptions::from_argument(std::string_view text) {
  const auto given = json::parse(text);
  return {json::value_to<std::vector<std::string>>(given.at("model_files")),
          json::value_to<std::string>(given.at("device")), json::value_to<int>(given.at("threads")),
          json::value_to<std::int64_t>(given.at("model_bytes")),
          given.at("tries_models").as_bool()};
}

}  // namespace infernode::runner
