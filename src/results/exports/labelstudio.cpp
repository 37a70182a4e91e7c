#include <fmt/format.h>

#include "core/json.hpp"
#include "results/exports/track_exporter.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

// One task with predictions for Label Studio's video object tracking (VideoRectangle:
// https://labelstud.io/tags/videorectangle): sizes in percent of the picture, frames from 1.
class LabelStudioExporter : public TrackExporter {
public:
  explicit LabelStudioExporter(ExportFacts facts) : facts_{std::move(facts)} {}

  std::string begin() override {
    const json::object data{{"video", "/api/v1/videos/" + facts_.video_id + "/content"},
                            {"job", facts_.job_id}};
    return "[{\"data\":" + json_text(data) +
           ",\"predictions\":[{\"model_version\":" + json_text(json::value(facts_.model)) +
           ",\"result\":[";
  }

protected:
  std::string write(const ExportedTrack& track) override {
    json::array sequence;
    for (const auto& shape : track.shapes) {
      sequence.push_back(entry(shape, shape.frame, shape.time, true));
    }
    const auto& last = track.shapes.back();
    const double step = facts_.fps > 0 ? facts_.frame_step / facts_.fps : 0;
    if (const auto after = std::int64_t{last.frame} + facts_.frame_step;
        after < facts_.frame_count) {
      sequence.push_back(entry(last, static_cast<int>(after), last.time + step, false));
    }
    const json::object result{
        {"id", fmt::format("track{}", track.number)},
        {"type", "videorectangle"},
        {"from_name", "box"},
        {"to_name", "video"},
        {"origin", "prediction"},
        {"score", track.shapes.front().confidence},
        {"value", json::object{{"framesCount", facts_.frame_count},
                               {"duration", facts_.fps > 0 ? facts_.frame_count / facts_.fps : 0},
                               {"sequence", std::move(sequence)},
                               {"labels", json::array{track.label}}}}};
    return (track.number == 0 ? "\n" : ",\n") + json_text(result);
  }
  std::string finish() override { return "]}]}]\n"; }

private:
  json::object entry(const ExportedShape& shape, int frame, double time, bool enabled) const {
    return {{"frame", frame + 1},
            {"time", time},
            {"enabled", enabled},
            {"rotation", 0},
            {"x", shape.x / facts_.width * 100},
            {"y", shape.y / facts_.height * 100},
            {"width", shape.width / facts_.width * 100},
            {"height", shape.height / facts_.height * 100}};
  }

  ExportFacts facts_;
};

}  // namespace

std::unique_ptr<Exporter> make_labelstudio_exporter(ExportFacts facts) {
  return std::make_unique<LabelStudioExporter>(std::move(facts));
}

}  // namespace infernode
