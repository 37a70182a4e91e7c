#include "pipelines/detect/detect.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipelines/object_pipeline.hpp"

namespace infernode::detect {
namespace {

namespace json = boost::json;

class Detect : public ObjectPipeline {
public:
  Detect() : ObjectPipeline{"detect", "Objects with their boxes", 30} {}

protected:
  std::vector<std::string> kept_labels(const json::object& params) const override {
    return json::value_to<std::vector<std::string>>(params.at("classes"));
  }

  Result<void> check_resolved(const json::object& params,
                              const inference::Model* model) const override {
    if (model == nullptr) {
      return {};
    }
    const auto kept = kept_labels(params);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (std::find(model->labels.begin(), model->labels.end(), kept[i]) == model->labels.end()) {
        return invalid_param(fmt::format("classes/{}", i), "the model has no such label");
      }
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<Pipeline> make_pipeline() {
  return std::make_unique<Detect>();
}

}  // namespace infernode::detect
