#include "pipelines/anonymize_step.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace infernode {
namespace {

namespace json = boost::json;

class AnonymizeStep : public SequenceStep {
public:
  explicit AnonymizeStep(std::string list) : list_{std::move(list)} {}

  std::vector<json::object> push(json::object frame) override {
    Waiting next{std::move(frame), {}, false};
    std::vector<json::value> hidden_before;  // boxes that the frames before must hide
    std::vector<Ended> loose;
    std::map<std::int64_t, json::value> seen;
    for (const auto& value : next.frame.at(list_).as_array()) {
      const auto& found = value.as_object();
      const auto& box = found.at("box");
      next.is_filled = next.is_filled || found.contains("interpolated");
      const auto* id = found.if_contains("track_id");
      if (id == nullptr) {
        hidden_before.push_back(box);
        loose.push_back({box, kHiddenMargin});
        continue;
      }
      seen.insert_or_assign(id->as_int64(), box);
      if (!tracks_.contains(id->as_int64())) {
        hidden_before.push_back(box);
      }
    }
    for (const auto& ended : ended_) {
      next.hidden.push_back(ended.box);
    }
    for (auto& ended : ended_) {
      --ended.frames_left;
    }
    // Tracks have no holes: one that is not here has ended, and this is the first frame after it.
    for (const auto& [id, box] : tracks_) {
      if (!seen.contains(id)) {
        next.hidden.push_back(box);
        ended_.push_back({box, kHiddenMargin - 1});
      }
    }
    ended_.insert(ended_.end(), loose.begin(), loose.end());
    std::erase_if(ended_, [](const Ended& ended) { return ended.frames_left == 0; });
    tracks_ = std::move(seen);
    for (auto& before : waiting_) {
      before.hidden.insert(before.hidden.end(), hidden_before.begin(), hidden_before.end());
    }
    waiting_.push_back(std::move(next));
    std::vector<json::object> finished;
    if (waiting_.size() > kHiddenMargin) {
      finished.push_back(take());
    }
    return finished;
  }

  std::vector<json::object> finish() override {
    std::vector<json::object> finished;
    while (!waiting_.empty()) {
      finished.push_back(take());
    }
    return finished;
  }

  json::object summary() const override {
    return {{"anonymized",
             json::object{{"frames_between_hits", between_}, {"frames_beside_hits", beside_}}}};
  }

private:
  struct Waiting {
    json::object frame;
    std::vector<json::value> hidden;
    bool is_filled = false;
  };
  // A box that stays hidden for some more frames.
  struct Ended {
    json::value box;
    int frames_left = 0;
  };

  json::object take() {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    between_ += first.is_filled ? 1 : 0;
    if (!first.hidden.empty()) {
      ++beside_;
      first.frame.insert_or_assign("hidden", json::array(first.hidden.begin(), first.hidden.end()));
    }
    return std::move(first.frame);
  }

  std::string list_;
  std::deque<Waiting> waiting_;
  std::map<std::int64_t, json::value> tracks_;  // of the frame before, with their boxes
  std::vector<Ended> ended_;
  std::int64_t between_ = 0;
  std::int64_t beside_ = 0;
};

}  // namespace

std::unique_ptr<SequenceStep> make_anonymize_step(std::string list) {
  return std::make_unique<AnonymizeStep>(std::move(list));
}

}  // namespace infernode
