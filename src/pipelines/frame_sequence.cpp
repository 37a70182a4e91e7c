#include "pipelines/frame_sequence.hpp"

#include <iterator>

namespace infernode {
namespace {

namespace json = boost::json;

void append(std::vector<json::object>& all, std::vector<json::object> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

std::vector<json::object> FrameSequence::push(json::object frame) {
  std::vector<json::object> frames;
  frames.push_back(std::move(frame));
  return counted(push_from(0, std::move(frames)));
}

std::vector<json::object> FrameSequence::finish() {
  std::vector<json::object> all;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    append(all, push_from(i + 1, steps_[i]->finish()));
  }
  return counted(std::move(all));
}

std::vector<json::object> FrameSequence::push_from(std::size_t step,
                                                   std::vector<json::object> frames) {
  for (; step < steps_.size(); ++step) {
    std::vector<json::object> next;
    for (auto& frame : frames) {
      append(next, steps_[step]->push(std::move(frame)));
    }
    frames = std::move(next);
  }
  return frames;
}

std::vector<json::object> FrameSequence::counted(std::vector<json::object> frames) {
  for (const auto& frame : frames) {
    for (const auto& found : frame.at(list_).as_array()) {
      const auto& object = found.as_object();
      if (!object.contains("interpolated")) {
        const auto* label = object.if_contains("label");
        ++tally_[label == nullptr ? list_ : json::value_to<std::string>(*label)];
      }
    }
  }
  return frames;
}

json::object FrameSequence::summary() const {
  json::object all;
  for (const auto& step : steps_) {
    for (auto& [key, value] : step->summary()) {
      all.insert_or_assign(key, std::move(value));
    }
  }
  return all;
}

}  // namespace infernode
