#include "runner/child/runner.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fstream>
#include <new>
#include <optional>
#include <stdexcept>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/scheduling.hpp"
#include "inference/runner_models.hpp"
#include "media/container.hpp"
#include "media/probe.hpp"
#include "media/zip_reader.hpp"
#include "pipelines/pipeline.hpp"
#include "runner/box.hpp"
#include "runner/child/channel.hpp"
#include "runner/child/model_task.hpp"
#include "runner/child/segment_task.hpp"
#include "runner/child/sequence_task.hpp"
#include "runner/fault.hpp"
#include "runner/limits.hpp"

extern "C" {
#include <libavutil/log.h>
}

namespace infernode::runner {
namespace {

namespace json = boost::json;

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

// The list of files first, so that the other end can refuse it; then what they have.
json::object run_unpack(const json::value& task, Channel& channel) {
  ChannelSource source{channel, 0, json::value_to<std::int64_t>(task.at("zip_bytes"))};
  media::ZipReader zip{source, json::value_to<std::int64_t>(task.at("most_bytes"))};
  json::array files;
  for (const auto& file : zip.files()) {
    files.push_back(json::object{{"name", file.name}, {"size", file.size}});
  }
  const std::string list = json_text(files);
  const FrameHeader header{0, static_cast<std::uint32_t>(list.size())};
  channel.send(MessageType::frame,
               {std::as_bytes(std::span{&header, 1}), std::as_bytes(std::span{list})});
  zip.read(
      [&channel](std::span<const std::byte> bytes) { channel.send(MessageType::video, {bytes}); });
  return {};
}

// What computes, as people name it, with the architecture and those instructions by which kernels
// of inference are chosen: "AMD EPYC (x86_64 avx2 fma avx512f)". The same name gives the same
// bytes.
std::string processor_name() {
  utsname machine{};
  std::string instructions = uname(&machine) == 0 ? machine.machine : "unknown";
  std::string model;
  std::ifstream in{"/proc/cpuinfo"};
  for (std::string line; std::getline(in, line) && !line.empty();) {  // the first processor
    const auto value = line.substr(std::min(line.size(), line.find(':') + 1));
    if (line.starts_with("model name")) {
      model = value.substr(std::min<std::size_t>(value.size(), 1));
    } else if (line.starts_with("flags") || line.starts_with("Features")) {
      for (const char* name :
           {"avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni",
            "amx_tile", "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2"}) {
        if ((value + " ").find(std::string{" "} + name + " ") != std::string::npos) {
          instructions += std::string{" "} + name;
        }
      }
    }
  }
  return model.empty() ? instructions : model + " (" + instructions + ")";
}

// Texts of libraries may hold anything.
std::string printable(std::string text) {
  const bool sound = is_utf8(text);
  for (char& letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (code < 0x20 || code == 0x7f || (code >= 0x80 && !sound)) {
      letter = ' ';
    }
  }
  return std::string{utf8_prefix(text, kMaxErrorBytes / 16)};
}

void send_error(Channel& channel, Fault fault, const std::string& detail) {
  channel.send_text(MessageType::error, json_text(json::object{{"fault", to_text(fault)},
                                                               {"detail", printable(detail)}}));
}

Reach reach_of(const inference::RunnerModels& models) {
  const auto on_gpu = [](const auto& entry) { return entry.second.session->provider() != "cpu"; };
  return std::any_of(models.all().begin(), models.all().end(), on_gpu) ? Reach::gpu
                                                                       : Reach::nothing;
}

// Tasks until the worker closes the socket, which shows as an exception.
[[noreturn]] void work_off_tasks(const RunnerParts& parts, const TaskRunner& run) {
  double cpu_before = 0;  // so loading the models counts for the first task
  for (;;) {
    const auto message = parts.channel.receive();
    const json::value task = json::parse(std::string_view{
        reinterpret_cast<const char*>(message.payload.data()), message.payload.size()});
    const auto started = std::chrono::steady_clock::now();
    try {
      json::object outcome = run(task, parts);
      const double cpu = process_cpu_seconds();
      outcome.emplace("processor", parts.processor);
      outcome.emplace("cpu_seconds", cpu - cpu_before);
      outcome.emplace("seconds", seconds_since(started));
      cpu_before = cpu;
      parts.channel.send_text(MessageType::done, json_text(outcome));
    } catch (const media::MediaError& error) {
      send_error(parts.channel, fault_of(error.fault()), error.what());
    } catch (const inference::UnfitModel& error) {
      send_error(parts.channel, Fault::model,
                 fmt::format("The model does not fit its manifest: {}.", error.what()));
    } catch (const std::bad_alloc&) {
      send_error(parts.channel, Fault::unsupported,
                 "The video, or the model, needs more memory than they are given.");
    } catch (const std::exception& error) {
      send_error(parts.channel, Fault::internal, error.what());
    }
  }
}

// Runners take what nobody else wants: a request waits for no frame. The kernel's weight for this
// is a tenth of the usual one. Threads inherit it, so it comes first.
constexpr int kRunnerNiceness = 10;

int live(const RunnerOptions& options, const TaskRunner& run) {
  const int parent = getppid();
  yield_to_requests(kRunnerNiceness);
  // A worker that is killed takes its runners along.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Ctrl-C, and a service manager that signals the whole group, are for the worker, which ends us.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  av_log_set_level(AV_LOG_QUIET);  // what is wrong with a video comes back as an error
  Channel channel{kRunnerDescriptor};
  try {
    const auto device = inference::parse_device(options.device);
    const bool may_use_gpu = device != inference::Device::cpu && !options.model_files.empty() &&
                             inference::usable_devices().size() > 1;
    if (device == inference::Device::cuda && !options.model_files.empty() && !may_use_gpu) {
      throw std::runtime_error("this worker's ONNX Runtime has no CUDA; use device auto or cpu");
    }
    if (!may_use_gpu) {
      leave_namespaces();  // CUDA's driver would not come along
    }
    const int threads = threads_of(options.threads);
    const PipelineCatalogue pipelines;
    auto files = inference::read_models(options.model_files);
    std::optional<inference::PreparedRuntime> runtime;
    if (options.tries_models || !files.empty()) {
      runtime.emplace();
    }
    inference::RunnerModels models;
    const auto load = [&] {
      models = {std::move(files), may_use_gpu ? device : inference::Device::cpu};
    };
    if (may_use_gpu) {
      load();
    }
    const std::string processor = processor_name();
    close_box(reach_of(models),
              static_cast<std::size_t>(memory_for(media::kMaxPixels, threads, options.model_bytes)),
              parent);
    // A model is as little trusted as a video, where it needs no driver.
    if (!may_use_gpu) {
      load();
    }
    channel.send_text(MessageType::ready, "{}");
    OpenVideo open;
    work_off_tasks({pipelines, models, threads, processor, channel, open}, run);
  } catch (const std::exception& error) {
    try {
      send_error(channel, Fault::internal, error.what());
    } catch (const std::exception&) {
      return 0;  // the worker closed the socket: the usual end
    }
    return 1;
  }
}

}  // namespace

json::object run_task(const json::value& task, const RunnerParts& parts) {
  const auto& op = task.at("op").as_string();
  if (op == "probe") {
    return run_probe(task, parts.channel);
  }
  if (op == "unpack") {
    return run_unpack(task, parts.channel);
  }
  if (op == "segment") {
    return run_segment_task(task, parts.pipelines, parts.models, parts.threads, parts.channel,
                            parts.open);
  }
  if (op == "sequence") {
    return run_sequence_task(task, parts.pipelines, parts.threads, parts.channel, parts.open);
  }
  if (op == "redraw") {
    return run_redraw_task(task, parts.pipelines, parts.threads, parts.channel, parts.open);
  }
  if (op == "model") {
    return run_model_task(task, parts.pipelines, parts.channel);
  }
  throw std::runtime_error("no such task");
}

void run_runner(const RunnerOptions& options, const TaskRunner& run) {
  // Nothing is left to be cleared away, and what runs at an exit may need what the box has not.
  _exit(live(options, run));
}

void run_runner(const RunnerOptions& options) {
  run_runner(options, run_task);
}

}  // namespace infernode::runner
