#include "runner/child/runner.hpp"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "inference/runner_models.hpp"
#include "media/container.hpp"
#include "media/probe.hpp"
#include "pipelines/pipeline.hpp"
#include "runner/child/channel.hpp"
#include "runner/child/segment_task.hpp"
#include "runner/fault.hpp"

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

Fault fault_of(media::MediaFault fault) {
  switch (fault) {
    case media::MediaFault::not_a_video:
      return Fault::not_a_video;
    case media::MediaFault::damaged:
      return Fault::damaged;
    case media::MediaFault::unsupported:
      return Fault::unsupported;
  }
  return Fault::internal;
}

json::object run_probe(const json::value& task, Channel& channel) {
  ChannelSource source{channel, 0, json::value_to<std::int64_t>(task.at("video_bytes"))};
  const media::MediaInfo info = media::probe(source);
  json::array keyframes;
  for (const auto& keyframe : info.keyframes) {
    keyframes.push_back(media::keyframe_to_json(keyframe));
  }
  const FrameHeader header{0, 0};
  channel.send(MessageType::frame, {std::as_bytes(std::span{&header, 1}), info.thumbnail});
  return {{"width", info.width},
          {"height", info.height},
          {"frame_count", info.frame_count},
          {"fps", info.fps},
          {"duration", info.duration},
          {"codec", info.codec},
          {"rotation", info.rotation},
          {"pixel_aspect", info.pixel_aspect},
          {"warnings", json::value_from(info.warnings)},
          {"keyframes", std::move(keyframes)}};
}

// What computes, as people name it: one architecture and instruction set give the same bytes again.
std::string processor_name() {
  std::ifstream in{"/proc/cpuinfo"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) {
      return line.substr(std::min(line.size(), line.find(':') + 2));
    }
  }
  utsname name{};
  return uname(&name) == 0 ? name.machine : "unknown";
}

void send_error(Channel& channel, Fault fault, const std::string& detail) {
  channel.send_text(MessageType::error,
                    json_text(json::object{{"fault", to_text(fault)}, {"detail", detail}}));
}

}  // namespace

int run_runner(const RunnerOptions& options) {
  // A worker that is killed takes its runners along.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Ctrl-C, and a service manager that signals the whole group, are for the worker, which ends us.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  av_log_set_level(AV_LOG_QUIET);  // what is wrong with a video comes back as an error
  Channel channel{kRunnerDescriptor};
  try {
    const int threads = options.threads > 0
                            ? options.threads
                            : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const PipelineCatalogue pipelines;
    const inference::RunnerModels models{options.model_folder, options.models,
                                         inference::parse_device(options.device)};
    const std::string processor = processor_name();
    drop_rights();
    channel.send_text(MessageType::ready, "{}");
    double cpu_before = 0;  // so loading the models counts for the first task
    for (;;) {
      const auto message = channel.receive();
      const json::value task = json::parse(std::string_view{
          reinterpret_cast<const char*>(message.payload.data()), message.payload.size()});
      const auto started = std::chrono::steady_clock::now();
      try {
        json::object outcome = task.at("op").as_string() == "probe"
                                   ? run_probe(task, channel)
                                   : run_segment_task(task, pipelines, models, threads, channel);
        const double cpu = process_cpu_seconds();
        outcome.emplace("processor", processor);
        outcome.emplace("cpu_seconds", cpu - cpu_before);
        outcome.emplace("seconds", seconds_since(started));
        cpu_before = cpu;
        channel.send_text(MessageType::done, json_text(outcome));
      } catch (const media::MediaError& error) {
        send_error(channel, fault_of(error.fault()), error.what());
      } catch (const std::exception& error) {
        send_error(channel, Fault::internal, error.what());
      }
    }
  } catch (const std::exception& error) {
    try {
      send_error(channel, Fault::internal, error.what());
    } catch (const std::exception&) {
      return 0;  // the worker closed the socket: the usual end
    }
    return 1;
  }
}

}  // namespace infernode::runner
