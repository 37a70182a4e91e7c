#include <cstdio>

#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/json.hpp"
#include "inference/model_catalogue.hpp"
#include "inference/onnx_session.hpp"

namespace infernode::cli {
namespace {

void list_models(bool as_json) {
  const Config config = load_settings();
  const auto folder = inference::model_folder(config.model_dir);
  const auto models = inference::load_catalogue(folder);
  if (as_json) {
    boost::json::array items;
    for (const auto& model : models.models()) {
      items.push_back(boost::json::object{{"name", model.name},
                                          {"pipeline", model.pipeline},
                                          {"description", model.description},
                                          {"source", model.source},
                                          {"license", model.license},
                                          {"sha256", model.sha256},
                                          {"file", model.file.string()},
                                          {"labels", boost::json::value_from(model.labels)}});
    }
    std::printf("%s\n", json_text(items).c_str());
    return;
  }
  std::printf("%s, models in %s\n", inference::runtime_version().c_str(), folder.c_str());
  if (models.empty()) {
    std::printf("  none; './run' installs one\n");
  }
  for (const auto& model : models.models()) {
    std::printf("  %-12s %-8s %s (%s)\n               sha256 %s\n", model.name.c_str(),
                model.pipeline.c_str(), model.description.c_str(), model.license.c_str(),
                model.sha256.c_str());
  }
}

}  // namespace

void add_models_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "models:list", "List the models that jobs can use");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "For programs");
  command->callback([&status, as_json] {
    list_models(*as_json);
    status = 0;
  });
}

}  // namespace infernode::cli
