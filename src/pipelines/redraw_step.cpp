#include "pipelines/redraw_step.hpp"

#include <algorithm>

namespace infernode {
namespace {

namespace json = boost::json;

class RedrawStep : public SequenceStep {
public:
  explicit RedrawStep(RedrawRules rules) : rules_{std::move(rules)} {}

  std::vector<json::object> push(json::object frame) override {
    json::array kept;
    for (auto& value : frame.at(rules_.list).as_array()) {
      if (keeps(value.as_object())) {
        kept.push_back(std::move(value));
      }
    }
    frame.at(rules_.list) = std::move(kept);
    frame.erase("events");
    frame.erase("zones");
    frame.erase("hidden");
    std::vector<json::object> finished;
    finished.push_back(std::move(frame));
    return finished;
  }

private:
  bool keeps(const json::object& found) const {
    if (found.at("confidence").to_number<double>() < rules_.confidence) {
      return false;
    }
    const auto* label = found.if_contains("label");
    return rules_.classes.empty() || label == nullptr ||
           std::find(rules_.classes.begin(), rules_.classes.end(),
                     std::string_view{label->as_string()}) != rules_.classes.end();
  }

  RedrawRules rules_;
};

}  // namespace

std::unique_ptr<SequenceStep> make_redraw_step(RedrawRules rules) {
  return std::make_unique<RedrawStep>(std::move(rules));
}

}  // namespace infernode
