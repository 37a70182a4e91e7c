#include <fmt/format.h>

#include "results/exports/markup.hpp"
#include "results/exports/track_exporter.hpp"

namespace infernode {
namespace {

// CVAT for video 1.1 (https://docs.cvat.ai/docs/manual/advanced/xml_format/): tracks of boxes;
// where one ends, its last box once more as `outside`.
class CvatExporter : public TrackExporter {
public:
  explicit CvatExporter(ExportFacts facts) : facts_{std::move(facts)} {}

  std::string begin() override {
    std::string labels;
    for (const auto& label : facts_.labels) {
      labels += fmt::format("<label><name>{}</name><attributes></attributes></label>",
                            markup_text(label));
    }
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n<version>1.1</version>\n"
        "<meta><task><name>{}</name><size>{}</size><mode>interpolation</mode>"
        "<start_frame>0</start_frame><stop_frame>{}</stop_frame><labels>{}</labels>"
        "<original_size><width>{}</width><height>{}</height></original_size></task></meta>\n",
        markup_text(facts_.job_id), facts_.frame_count, facts_.frame_count - 1, labels,
        facts_.width, facts_.height);
  }

protected:
  std::string write(const ExportedTrack& track) override {
    std::string text = fmt::format("<track id=\"{}\" label=\"{}\" source=\"auto\">\n", track.number,
                                   markup_text(track.label));
    for (const auto& shape : track.shapes) {
      text += box(shape, shape.frame, false);
    }
    const auto& last = track.shapes.back();
    if (const auto after = std::int64_t{last.frame} + facts_.frame_step;
        after < facts_.frame_count) {
      text += box(last, static_cast<int>(after), true);
    }
    return text + "</track>\n";
  }
  std::string finish() override { return "</annotations>\n"; }

private:
  static std::string box(const ExportedShape& shape, int frame, bool outside) {
    return fmt::format(
        "<box frame=\"{}\" outside=\"{}\" occluded=\"{}\" keyframe=\"{}\" xtl=\"{:.2f}\" "
        "ytl=\"{:.2f}\" xbr=\"{:.2f}\" ybr=\"{:.2f}\" z_order=\"0\"></box>\n",
        frame, outside ? 1 : 0, shape.interpolated && !outside ? 1 : 0,
        shape.interpolated && !outside ? 0 : 1, shape.x, shape.y, shape.x + shape.width,
        shape.y + shape.height);
  }

  ExportFacts facts_;
};

}  // namespace

std::unique_ptr<Exporter> make_cvat_exporter(ExportFacts facts) {
  return std::make_unique<CvatExporter>(std::move(facts));
}

}  // namespace infernode
