#include <fmt/format.h>

#include <cmath>
#include <map>

#include "results/exports/exporter.hpp"
#include "results/exports/markup.hpp"

namespace infernode {
namespace {

// "00:01:02.345"
std::string cue_time(double seconds) {
  const auto milliseconds = static_cast<std::int64_t>(std::llround(seconds * 1000));
  return fmt::format("{:02}:{:02}:{:02}.{:03}", milliseconds / 3600000, milliseconds / 60000 % 60,
                     milliseconds / 1000 % 60, milliseconds % 1000);
}

// W3C WebVTT: what is seen, "2 person, 1 car", and what is read, for as long as it stays the same.
class WebvttExporter : public Exporter {
public:
  explicit WebvttExporter(ExportFacts facts)
      : step_seconds_{facts.fps > 0 ? facts.frame_step / facts.fps : 1} {}

  std::string begin() override { return "WEBVTT\n\n"; }

  std::string frame(const ExportedFrame& frame) override {
    std::map<std::string, int> counts;
    std::vector<const ExportedBox*> lines;
    for (const auto& box : frame.boxes) {
      if (box.text.empty()) {
        ++counts[box.label];
      } else {
        lines.push_back(&box);
      }
    }
    // As they are read; by confidence they would change places from frame to frame. Who stands in
    // one line does not do so to the pixel.
    std::sort(lines.begin(), lines.end(), [](const ExportedBox* a, const ExportedBox* b) {
      return a->y + a->height / 2 < b->y + b->height / 2;
    });
    for (auto line = lines.begin(); line != lines.end();) {
      const double bottom = (*line)->y + (*line)->height;
      const auto end = std::find_if(line, lines.end(), [bottom](const ExportedBox* box) {
        return box->y + box->height / 2 >= bottom;
      });
      std::sort(line, end, [](const ExportedBox* a, const ExportedBox* b) { return a->x < b->x; });
      line = end;
    }
    std::string text;
    for (const auto* box : lines) {
      text += (text.empty() ? "" : ", ") + markup_text(box->text);
    }
    for (const auto& [label, count] : counts) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, markup_text(label));
    }
    std::string cue;
    if (text != text_) {
      cue = cue_until(frame.time);
      text_ = std::move(text);
      since_ = frame.time;
    }
    last_ = frame.time;
    return cue;
  }

  PassEnd end_pass() override { return {cue_until(last_ + step_seconds_), false}; }

private:
  std::string cue_until(double end) const {
    return text_.empty() || end <= since_
               ? ""
               : fmt::format("{} --> {}\n{}\n\n", cue_time(since_), cue_time(end), text_);
  }

  double step_seconds_;
  std::string text_;  // of the cue that is open
  double since_ = 0;
  double last_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_webvtt_exporter(ExportFacts facts) {
  return std::make_unique<WebvttExporter>(std::move(facts));
}

}  // namespace infernode
