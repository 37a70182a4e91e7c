#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "cli/local_run.hpp"
#include "core/json.hpp"
#include "pipelines/pipeline.hpp"

namespace infernode::cli {
namespace {

namespace json = boost::json;

// An option of the command line that stands for a key of a pipeline's params: made of the schema,
// so that a new key needs no word here.
struct ParamOption {
  std::string key;
  std::string type;         // "integer", "number", "boolean", "array", "object", "string"
  bool holds_json = false;  // an array of objects: each value is one of them
  std::vector<std::string> values;
  bool flag = false;  // of a boolean: turns it to the opposite of its default
  bool flag_value = false;
};

struct RunOptions {
  std::string video;
  std::string out = "out";
  std::string pipeline;
  std::vector<std::shared_ptr<ParamOption>> params;
  bool as_json = false;
};

json::value value_of(const ParamOption& option, const std::string& text) {
  boost::system::error_code error;
  if (option.type == "integer" || option.type == "number") {
    auto number = json::parse(text, error);
    if (error || !number.is_number()) {
      throw std::runtime_error(fmt::format("{}: {} is no number", option.key, text));
    }
    return number;
  }
  if (option.type == "object" || option.holds_json) {
    auto value = json::parse(text, error);
    if (error || !value.is_object()) {
      throw std::runtime_error(fmt::format(
          "{}: {} is no JSON object (in a shell, put it in single quotes)", option.key, text));
    }
    return value;
  }
  return json::value(text);
}

// The params as a client would send them, so that one set of checks serves both.
json::object params_of(const RunOptions& options) {
  json::object params{{"pipeline", options.pipeline}};
  for (const auto& option : options.params) {
    if (option->type == "boolean") {
      if (option->flag) {
        params.emplace(option->key, option->flag_value);
      }
    } else if (option->type == "array") {
      if (!option->values.empty()) {
        json::array list;
        for (const auto& value : option->values) {
          list.push_back(value_of(*option, value));
        }
        params.emplace(option->key, std::move(list));
      }
    } else if (!option->values.empty()) {
      params.emplace(option->key, value_of(*option, option->values.back()));
    }
  }
  return params;
}

// "--start-frame" for "start_frame"; "--no-images" for a boolean that is true unless said
// otherwise.
void add_param_option(CLI::App& command, RunOptions& options, const std::string& key,
                      const json::object& rules) {
  auto option = std::make_shared<ParamOption>();
  option->key = key;
  option->type = json::value_to<std::string>(rules.at("type"));
  options.params.push_back(option);
  std::string name = key;
  std::replace(name.begin(), name.end(), '_', '-');
  const auto* described = rules.if_contains("description");
  std::string help = described == nullptr ? "" : json::value_to<std::string>(*described);
  const auto* fallback = rules.if_contains("default");
  if (option->type == "boolean") {
    const bool usually = fallback != nullptr && fallback->as_bool();
    option->flag_value = !usually;
    command.add_flag(usually ? "--no-" + name : "--" + name, option->flag,
                     usually ? "Not: " + help : help);
    return;
  }
  if (fallback != nullptr && !fallback->is_array() && !fallback->is_object()) {
    const auto text =
        fallback->is_string() ? json::value_to<std::string>(*fallback) : json_text(*fallback);
    help += fmt::format(" [{}]", text);
  }
  auto* added = command.add_option("--" + name, option->values, help);
  if (option->type == "array") {
    const auto* items = rules.at("items").as_object().if_contains("type");
    option->holds_json = items != nullptr && items->as_string() == "object";
    if (!option->holds_json) {
      added->delimiter(',');
    }
  } else {
    added->expected(1);
  }
  if (const auto* choices = rules.if_contains("enum")) {
    added->check(CLI::IsMember(json::value_to<std::vector<std::string>>(*choices)));
  }
}

}  // namespace

void add_run_command(CLI::App& app, int& status) {
  auto* command =
      add_command(app, "run", "Run a pipeline over a video file, without server and database");
  auto options = std::make_shared<RunOptions>();
  command->add_option("VIDEO", options->video, "The video file")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--out", options->out, "Folder for result.json, images.zip and video.mp4")
      ->capture_default_str();
  std::vector<std::string> names;
  std::vector<std::string> keys{"pipeline"};
  const PipelineCatalogue pipelines;
  options->pipeline = pipelines.all().front()->name();
  for (const auto& pipeline : pipelines.all()) {
    names.push_back(pipeline->name());
    // What several pipelines have, they have in the same sense.
    for (const auto& [key, rules] : pipeline->params_schema().at("properties").as_object()) {
      if (std::find(keys.begin(), keys.end(), std::string{key}) == keys.end()) {
        keys.emplace_back(key);
        add_param_option(*command, *options, keys.back(), rules.as_object());
      }
    }
  }
  command->add_option("--pipeline", options->pipeline, "What to run")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "Print the result's head as JSON");
  command->callback([&status, options] {
    const Config config = load_settings();
    const auto models = inference::load_catalogue(inference::model_folder(config.model_dir),
                                                  inference::Hashes::yes, config.default_models);
    const auto report =
        options->as_json ? LocalRunOptions::Report::json : LocalRunOptions::Report::text;
    run_locally({options->video, options->out, params_of(*options), report}, config, models);
    status = 0;
  });
}

}  // namespace infernode::cli
