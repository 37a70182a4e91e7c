#include "runner/host/prober.hpp"

#include <algorithm>
#include <cmath>

#include "core/json.hpp"
#include "core/log.hpp"
#include "runner/limits.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxSentence = 500;
constexpr std::size_t kMaxWarnings = 20;
// Rounding up may add a row and a column.
constexpr std::int64_t kMostShownPixels = media::kMaxPixels + 20'000;

Error media_error(ErrorCode code, const std::string& detail) {
  Error error{code, detail};
  error.fields.push_back(FieldError{"/file", detail});
  return error;
}

// Throws std::exception.
void require(bool sound) {
  if (!sound) {
    throw std::runtime_error("out of range");
  }
}

bool is_sentence(const std::string& text) {
  return text.size() <= kMaxSentence && is_utf8(text) && !has_control_character(text);
}

// What comes out of the box is looked at before it is believed. Throws std::exception.
media::MediaInfo info_from_json(const json::object& outcome) {
  media::MediaInfo info;
  info.width = json::value_to<int>(outcome.at("width"));
  info.height = json::value_to<int>(outcome.at("height"));
  require(info.width > 0 && info.height > 0 &&
          std::int64_t{info.width} * info.height <= kMostShownPixels);
  info.frame_count = json::value_to<int>(outcome.at("frame_count"));
  require(info.frame_count > 0);
  info.fps = json::value_to<double>(outcome.at("fps"));
  info.duration = json::value_to<double>(outcome.at("duration"));
  require(std::isfinite(info.fps) && info.fps >= 0);
  require(std::isfinite(info.duration) && info.duration >= 0);
  info.rotation = json::value_to<int>(outcome.at("rotation"));
  require(info.rotation >= 0 && info.rotation < 360 && info.rotation % 90 == 0);
  info.pixel_aspect = json::value_to<double>(outcome.at("pixel_aspect"));
  require(std::isfinite(info.pixel_aspect) && info.pixel_aspect > 0);
  info.codec = json::value_to<std::string>(outcome.at("codec"));
  require(is_sentence(info.codec));
  info.warnings = json::value_to<std::vector<std::string>>(outcome.at("warnings"));
  require(info.warnings.size() <= kMaxWarnings &&
          std::all_of(info.warnings.begin(), info.warnings.end(), is_sentence));
  int after = -1;
  for (const auto& entry : outcome.at("keyframes").as_array()) {
    info.keyframes.push_back(media::keyframe_from_json(entry));
    const auto& keyframe = info.keyframes.back();
    require(keyframe.frame > after && keyframe.frame < info.frame_count);
    require(!keyframe.time || std::isfinite(*keyframe.time));
    after = keyframe.frame;
  }
  return info;
}

}  // namespace

asio::awaitable<Result<media::MediaInfo>> VideoProber::probe(std::string user,
                                                             std::int64_t video_bytes,
                                                             SourceReader read,
                                                             std::shared_ptr<Cancellation> cancel) {
  const auto slot = co_await slots_.acquire(std::move(user), cancel);
  const RunnerOptions options;
  RunnerProcess runner{executor_, options};
  const Cancellation::Hook stop{*cancel, [&runner] { runner.kill(); }};
  std::vector<std::byte> thumbnail;
  FrameSink keep_thumbnail = [&thumbnail](RunnerFrame frame) -> asio::awaitable<void> {
    thumbnail = std::move(frame.jpeg);
    co_return;
  };
  json::object task{{"op", "probe"}, {"video_bytes", video_bytes}};
  try {
    const json::object outcome = co_await runner.run(std::move(task), probe_limits(video_bytes),
                                                     std::move(read), keep_thumbnail);
    media::MediaInfo info;
    try {
      info = info_from_json(outcome);
    } catch (const std::exception&) {
      throw RunnerCrashed("the runner's answer to a probe is none");
    }
    if (thumbnail.empty()) {
      throw RunnerCrashed("the runner sent no thumbnail");
    }
    info.thumbnail = std::move(thumbnail);
    co_return info;
  } catch (const TaskFailed& failure) {
    if (failure.fault() == Fault::internal) {
      throw;
    }
    co_return media_error(
        failure.fault() == Fault::not_a_video ? ErrorCode::unsupported_media : ErrorCode::invalid,
        failure.what());
  } catch (const RunnerNotStarted&) {
    if (cancel->cancelled()) {
      throw Cancelled("cancelled while a video was looked into");
    }
    throw;
  } catch (const RunnerOverLimit& error) {
    log::warn("a video was not looked into: {}", error.what());
    co_return media_error(ErrorCode::invalid,
                          "The video cannot be read: it takes far more work than others of its "
                          "size.");
  } catch (const RunnerCrashed& error) {
    if (cancel->cancelled()) {
      throw Cancelled("cancelled while a video was looked into");
    }
    log::warn("a video was not looked into: {}", error.what());
    co_return media_error(ErrorCode::invalid,
                          "The video cannot be read: the decoder gave up on it.");
  }
}

}  // namespace infernode::runner
