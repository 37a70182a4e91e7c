#include "runner/child/sequence_task.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "inference/onnx_session.hpp"
#include "media/sound_reader.hpp"
#include "media/video_writer.hpp"
#include "runner/child/drawing_task.hpp"
#include "runner/child/stored_frame_reader.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

// Of sound that waits for the pictures before it; more than that is only there when they are far
// apart.
constexpr std::size_t kWaitingSoundBytes = 16 * 1024 * 1024;
constexpr double kLongestTail = 3600;

// For how long (seconds) the last of a task's frames is shown: until the selection ends.
double tail_of(const json::value& task, int step) {
  const auto count = json::value_to<std::int64_t>(task.at("end_frame")) -
                     json::value_to<std::int64_t>(task.at("start_frame"));
  const double frames = count <= 0 ? 0 : static_cast<double>((count - 1) % step + 1);
  const double fps = task.at("fps").to_number<double>();
  return fps > 0 ? std::min(frames / fps, kLongestTail) : 0;
}

// The annotated video, sent as it is made, with the sound of `source`'s video if that is wanted.
class SentVideo {
public:
  // `reader` reads the video from `source`, which must outlive this.
  SentVideo(double fps, bool with_sound, media::ByteSource& source,
            const media::FrameReader& reader, Channel& channel)
      : fps_{fps}, channel_{channel}, sound_{sound_of(with_sound, source, reader)} {
    auto send = [this](std::span<const std::byte> bytes) {
      for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kVideoBytes))) {
        channel_.send(MessageType::video, {bytes.first(std::min(bytes.size(), kVideoBytes))});
      }
    };
    writer_.emplace(fps_, std::move(send), sound_ ? sound_->parameters() : nullptr,
                    sound_ ? sound_->time_base() : AVRational{});
  }

  // On the thread that receives: the next picture is shown at `time` (seconds). `wait` waits until
  // those before it were written.
  void expect(double time, const std::function<void()>& wait) {
    if (!sound_) {
      return;
    }
    if (!last_time_) {
      sound_->seek(time);
    }
    add_sound(time, wait);
    last_time_ = time;
  }

  // On any thread, one at a time.
  void write(const AVFrame& picture) { writer_->write(picture); }

  // The last picture is shown for `tail` seconds.
  void finish(double tail) {
    if (last_time_) {
      add_sound(*last_time_ + tail, [] {});
    }
    channel_.send(MessageType::video_head, {writer_->finish()});
    if (sound_) {
      const auto count = writer_->sound_count();
      told_->at("kept") = count.written > 0;
      told_->at("left_out") = count.left_out + sound_->left_out();
    }
  }

  // What the summary says of the sound; nullopt where none was asked for.
  const std::optional<json::object>& told() const { return told_; }

private:
  std::unique_ptr<media::SoundReader> sound_of(bool wanted, media::ByteSource& source,
                                               const media::FrameReader& reader) {
    if (!wanted) {
      return nullptr;
    }
    auto sound =
        std::make_unique<media::SoundReader>(source, reader.beginning(), media::VideoWriter::takes);
    told_ = json::object{{"kept", false}, {"codec", nullptr}, {"left_out", 0}};
    const auto* parameters = sound->parameters();
    if (parameters != nullptr) {
      told_->at("codec") = avcodec_get_name(parameters->codec_id);
    }
    if (parameters == nullptr || !media::VideoWriter::takes(*parameters)) {
      sound.reset();
    }
    return sound;
  }

  void add_sound(double until, const std::function<void()>& wait) {
    while (auto packet = sound_->next(until)) {
      if (writer_->waiting_sound() > kWaitingSoundBytes) {
        wait();
        writer_->write_sound();
      }
      writer_->add_sound(std::move(packet));
    }
  }

  double fps_;
  Channel& channel_;
  std::optional<json::object> told_;
  std::unique_ptr<media::SoundReader> sound_;
  std::optional<double> last_time_;  // of the last picture, where there is sound
  std::optional<media::VideoWriter> writer_;
};

// The reader of the frames that the task draws on.
media::FrameReader drawn_reader(const json::value& task, int step, Channel& channel,
                                OpenVideo& open) {
  auto reader = open_reader(task, channel, open);
  reader.want({json::value_to<int>(task.at("start_frame")),
               json::value_to<int>(task.at("end_frame")), step});
  return reader;
}

// What no model took part in.
json::object outcome_of(int processed, json::value tally) {
  return {{"processed", processed},
          {"skipped", 0},
          {"failed", 0},
          {"reasons", json::object{}},
          {"tally", std::move(tally)},
          {"models", json::array{}},
          {"provider", "cpu"},
          {"runtime", inference::runtime_version()},
          {"build", build_version()}};
}

}  // namespace

json::object run_sequence_task(const json::value& task, const PipelineCatalogue& pipelines,
                               int threads, Channel& channel, OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const Pipeline& pipeline = pipeline_of(task, pipelines);
  auto sequence = pipeline.sequence(params);
  if (!sequence) {
    throw std::runtime_error("the pipeline needs no frames in order");
  }
  const auto common = common_params(params);
  const bool draws = common.wants_images || common.wants_crops || common.wants_video;
  std::optional<media::FrameReader> reader;
  if (draws) {
    reader = drawn_reader(task, common.frame_step, channel, open);
  }
  std::optional<SentVideo> video;
  if (common.wants_video) {
    video.emplace(task.at("fps").to_number<double>() / common.frame_step, common.wants_sound,
                  *open.source, *reader, channel);
  }
  DrawingTask drawing{pipeline, params};
  FrameDrawing drawn{drawing,
                     std::move(reader),
                     threads,
                     channel,
                     [&video](double time, const std::function<void()>& wait) {
                       if (video) {
                         video->expect(time, wait);
                       }
                     },
                     [&video](const AVFrame& picture) { video.value().write(picture); }};
  const auto hand_on = [&](std::vector<json::object> frames) {
    for (auto& frame : frames) {
      drawn.push(std::move(frame));
    }
  };
  ChannelSource source{channel, 1, json::value_to<std::int64_t>(task.at("frames_bytes"))};
  StoredFrameReader stored{source};
  while (auto frame = stored.next()) {
    hand_on(sequence->push(std::move(*frame)));
  }
  hand_on(sequence->finish());
  drawn.finish();
  if (draws) {
    open.container = drawn.release();
  }
  auto summary = sequence->summary();
  if (video) {
    video->finish(tail_of(task, common.frame_step));
    if (video->told()) {
      summary.emplace("sound", *video->told());
    }
  }
  auto outcome = outcome_of(drawn.sent(), json::value_from(sequence->tally()));
  outcome.emplace("summary", std::move(summary));
  return outcome;
}

json::object run_redraw_task(const json::value& task, const PipelineCatalogue& pipelines,
                             int threads, Channel& channel, OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const Pipeline& pipeline = pipeline_of(task, pipelines);
  auto redrawing = pipeline.redrawing(params);
  const bool in_order_follows = pipeline.sequence(params).has_value();
  const auto common = common_params(params);
  const bool draws = (common.wants_images || common.wants_crops) && !in_order_follows;
  const auto start = json::value_to<std::int64_t>(task.at("start_frame"));
  const auto end = json::value_to<std::int64_t>(task.at("end_frame"));
  DrawingTask drawing{pipeline, params};
  FrameDrawing drawn{
      drawing,
      draws ? std::optional{drawn_reader(task, common.frame_step, channel, open)} : std::nullopt,
      threads, channel};
  ChannelSource source{channel, 1, json::value_to<std::int64_t>(task.at("frames_bytes"))};
  StoredFrameReader stored{source};
  stored.go_to(static_cast<int>(start));
  while (auto frame = stored.next()) {
    const auto index = frame->at("frame").to_number<std::int64_t>();
    if (index >= end) {
      break;
    }
    if (index >= start) {
      for (auto& finished : redrawing.push(std::move(*frame))) {
        drawn.push(std::move(finished));
      }
    }
  }
  drawn.finish();
  if (draws) {
    open.container = drawn.release();
  }
  auto outcome = outcome_of(
      drawn.sent(), in_order_follows ? json::object{} : json::value_from(redrawing.tally()));
  const std::int64_t missing =
      (end - start + common.frame_step - 1) / common.frame_step - drawn.sent();
  if (missing > 0) {
    outcome.at("skipped") = missing;
    outcome.at("reasons") = json::object{{"not_in_drawn_job", missing}};
  }
  return outcome;
}

}  // namespace infernode::runner
