#include "pipelines/tracking_step.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>
#include <stdexcept>

#include "tracking/sequence_tracker.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

double hundredths(double pixels) {
  return std::round(pixels * 100) / 100;
}

double number(const json::value& value) {
  return value.to_number<double>();
}

std::string label_of(const json::object& box) {
  const auto* label = box.if_contains("label");
  return label == nullptr ? "" : json::value_to<std::string>(*label);
}

class TrackingStep : public SequenceStep {
public:
  explicit TrackingStep(TrackingRules rules)
      : rules_{std::move(rules)},
        tracker_{{rules_.confidence, tracking::TrackerSettings{}.patience}} {}

  std::vector<json::object> push(json::object frame) override {
    const int index = json::value_to<int>(frame.at("frame"));
    if (last_frame_ && index <= *last_frame_) {
      throw std::runtime_error("frames that do not ascend");
    }
    const int steps = last_frame_ ? (index - *last_frame_) / rules_.frame_step : 1;
    last_frame_ = index;
    std::vector<tracking::Observation> observations;
    for (const auto& value : frame.at(rules_.list).as_array()) {
      const auto& box = value.as_object();
      const auto& sides = box.at("box").as_array();
      observations.push_back(
          {label_number(box),
           number(box.at("confidence")),
           {number(sides.at(0)), number(sides.at(1)), number(sides.at(2)), number(sides.at(3))}});
    }
    waiting_.push_back(std::move(frame));
    return finished(tracker_.push(std::move(observations), steps));
  }

  std::vector<json::object> finish() override { return finished(tracker_.finish()); }

  json::object summary() const override {
    json::object tracks;
    for (const auto& [label, ids] : ids_) {
      tracks.emplace(label, ids.size());
    }
    return {{"tracks", std::move(tracks)}};
  }

private:
  // Labels by number; what stands beside them (class_id) is copied to boxes in between.
  int label_number(const json::object& box) {
    const std::string label = label_of(box);
    const auto found = numbers_.find(label);
    if (found != numbers_.end()) {
      return found->second;
    }
    const int number = static_cast<int>(labels_.size());
    json::object facts;
    for (const char* key : {"label", "class_id"}) {
      if (const auto* value = box.if_contains(key)) {
        facts.emplace(key, *value);
      }
    }
    labels_.push_back(std::move(facts));
    return numbers_.emplace(label, number).first->second;
  }

  std::vector<json::object> finished(const std::vector<tracking::TrackedFrame>& tracked) {
    std::vector<json::object> frames;
    for (const auto& each : tracked) {
      json::object frame = std::move(waiting_.front());
      waiting_.pop_front();
      take_over(each, frame);
      frames.push_back(std::move(frame));
    }
    return frames;
  }

  void take_over(const tracking::TrackedFrame& tracked, json::object& frame) {
    json::array kept;
    auto& boxes = frame.at(rules_.list).as_array();
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      auto& box = boxes[i].as_object();
      const auto id = tracked.ids.at(i);
      if (!id && number(box.at("confidence")) < rules_.confidence) {
        continue;
      }
      if (id) {
        ids_[label_of(box)].insert(*id);
        box.emplace("track_id", *id);
      }
      kept.push_back(std::move(box));
    }
    for (const auto& filled : tracked.filled) {
      json::object box = labels_.at(static_cast<std::size_t>(filled.label));
      box.emplace("confidence", filled.score);
      box.emplace("box", json::array{hundredths(filled.box.left), hundredths(filled.box.top),
                                     hundredths(filled.box.width), hundredths(filled.box.height)});
      box.emplace("track_id", filled.id);
      box.emplace("interpolated", true);
      kept.push_back(std::move(box));
    }
    boxes = std::move(kept);
  }

  TrackingRules rules_;
  tracking::SequenceTracker tracker_;
  std::optional<int> last_frame_;
  std::deque<json::object> waiting_;  // for the tracker
  std::map<std::string, int> numbers_;
  std::vector<json::object> labels_;
  std::map<std::string, std::set<int>> ids_;
};

}  // namespace

std::unique_ptr<SequenceStep> make_tracking_step(TrackingRules rules) {
  return std::make_unique<TrackingStep>(std::move(rules));
}

}  // namespace infernode
