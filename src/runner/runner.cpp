#include "runner/runner.hpp"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <stdexcept>
#include <thread>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "inference/detector.hpp"
#include "media/probe.hpp"
#include "runner/channel.hpp"
#include "runner/detect_task.hpp"

extern "C" {
#include <libavutil/log.h>
}

namespace infernode::runner {
namespace {

namespace json = boost::json;

constexpr uid_t kNobody = 65534;
constexpr rlim_t kMaxDataBytes = 8ULL * 1024 * 1024 * 1024;

void limit(__rlimit_resource resource, rlim_t value) {
  const rlimit both{value, value};
  setrlimit(resource, &both);
}

// From here on a decoder that was taken over finds no file to write, no other user's file to read
// and no way to get rights back. The system-call filter of the sandbox comes later.
void drop_rights() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_NOFILE, 64);
#ifndef __SANITIZE_ADDRESS__  // its shadow memory is larger than any sensible limit
  limit(RLIMIT_DATA, kMaxDataBytes);
#endif
  if (geteuid() == 0 &&
      (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
    throw std::runtime_error("the runner cannot give up root's rights");
  }
}

double process_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

const char* fault_name(media::MediaFault fault) {
  switch (fault) {
    case media::MediaFault::not_a_video:
      return "not_a_video";
    case media::MediaFault::damaged:
      return "damaged";
    case media::MediaFault::unsupported:
      return "unsupported";
  }
  return "internal";
}

json::object run_probe(const json::value& task, Channel& channel) {
  ChannelSource source{channel, json::value_to<std::int64_t>(task.at("video_bytes"))};
  const media::MediaInfo info = media::probe(source);
  json::array keyframes;
  for (const auto& keyframe : info.keyframes) {
    keyframes.push_back(json::array{keyframe.frame, keyframe.pts});
  }
  const FrameHeader header{0, 0};
  channel.send(MessageType::frame, {std::as_bytes(std::span{&header, 1}), info.thumbnail});
  return {{"width", info.width},
          {"height", info.height},
          {"frame_count", info.frame_count},
          {"fps", info.fps},
          {"duration", info.duration},
          {"codec", info.codec},
          {"keyframes", std::move(keyframes)}};
}

}  // namespace

int run_runner(const RunnerOptions& options) {
  // A worker that is killed takes its runners along.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_IGN);         // Ctrl-C is for the worker, which then ends us
  av_log_set_level(AV_LOG_QUIET);  // what is wrong with a video comes back as an error
  Channel channel{kRunnerDescriptor};
  try {
    const int threads = options.threads > 0
                            ? options.threads
                            : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    std::unique_ptr<inference::Detector> detector;
    if (!options.model.empty()) {
      for (auto& model : inference::load_catalogue(options.model_folder)) {
        if (model.name == options.model) {
          // One thread a frame, and several frames at once: faster than several threads on one
          // frame, and the same input gives the same bits whatever the number of threads.
          detector = std::make_unique<inference::Detector>(std::move(model), 1,
                                                           inference::parse_device(options.device));
        }
      }
      if (!detector) {
        throw std::runtime_error("there is no model " + options.model);
      }
    }
    drop_rights();
    channel.send_text(MessageType::ready, "{}");
    for (;;) {
      const auto message = channel.receive();
      const json::value task = json::parse(std::string_view{
          reinterpret_cast<const char*>(message.payload.data()), message.payload.size()});
      const double cpu_before = process_cpu_seconds();
      const auto started = std::chrono::steady_clock::now();
      try {
        json::object outcome;
        if (task.at("op").as_string() == "probe") {
          outcome = run_probe(task, channel);
        } else if (detector) {
          outcome = run_detect_task(detect_task_from_json(task), *detector, threads, channel);
        } else {
          throw std::runtime_error("this runner has no model");
        }
        outcome.emplace("cpu_seconds", process_cpu_seconds() - cpu_before);
        outcome.emplace("seconds", seconds_since(started));
        channel.send_text(MessageType::done, json_text(outcome));
      } catch (const media::MediaError& error) {
        channel.send_text(MessageType::error,
                          json_text(json::object{{"fault", fault_name(error.fault())},
                                                 {"detail", error.what()}}));
      } catch (const std::exception& error) {
        channel.send_text(MessageType::error,
                          json_text(json::object{{"fault", "internal"}, {"detail", error.what()}}));
      }
    }
  } catch (const std::exception& error) {
    try {
      channel.send_text(MessageType::error,
                        json_text(json::object{{"fault", "internal"}, {"detail", error.what()}}));
    } catch (const std::exception&) {
      return 0;  // the worker closed the socket: the usual end
    }
    return 1;
  }
}

}  // namespace infernode::runner
