#include "runner/host/prober.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

Error media_error(ErrorCode code, const std::string& detail) {
  Error error{code, detail};
  error.fields.push_back(FieldError{"/file", detail});
  return error;
}

media::MediaInfo info_from_json(const json::object& outcome) {
  media::MediaInfo info;
  info.width = json::value_to<int>(outcome.at("width"));
  info.height = json::value_to<int>(outcome.at("height"));
  info.frame_count = json::value_to<int>(outcome.at("frame_count"));
  info.fps = json::value_to<double>(outcome.at("fps"));
  info.duration = json::value_to<double>(outcome.at("duration"));
  info.rotation = json::value_to<int>(outcome.at("rotation"));
  info.pixel_aspect = json::value_to<double>(outcome.at("pixel_aspect"));
  info.codec = json::value_to<std::string>(outcome.at("codec"));
  info.warnings = json::value_to<std::vector<std::string>>(outcome.at("warnings"));
  for (const auto& entry : outcome.at("keyframes").as_array()) {
    info.keyframes.push_back(media::keyframe_from_json(entry));
  }
  return info;
}

}  // namespace

asio::awaitable<Result<media::MediaInfo>> VideoProber::probe(std::int64_t video_bytes,
                                                             SourceReader read) {
  const auto slot = co_await slots_.acquire();
  const RunnerOptions options;
  RunnerProcess runner{executor_, options};
  std::vector<std::byte> thumbnail;
  FrameSink keep_thumbnail = [&thumbnail](RunnerFrame frame) -> asio::awaitable<void> {
    thumbnail = std::move(frame.jpeg);
    co_return;
  };
  json::object task{{"op", "probe"}, {"video_bytes", video_bytes}};
  try {
    const json::object outcome =
        co_await runner.run(std::move(task), std::move(read), keep_thumbnail);
    media::MediaInfo info;
    try {
      info = info_from_json(outcome);
    } catch (const std::exception&) {
      throw RunnerCrashed("the runner's answer to a probe is none");
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
  } catch (const RunnerCrashed&) {
    co_return media_error(ErrorCode::invalid,
                          "The video cannot be read: the decoder gave up on it.");
  }
}

}  // namespace infernode::runner
