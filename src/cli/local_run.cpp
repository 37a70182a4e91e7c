#include "cli/local_run.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdio>
#include <fstream>
#include <span>

#include "app/app.hpp"
#include "cli/progress.hpp"
#include "core/blocking.hpp"
#include "core/clock.hpp"
#include "core/json.hpp"
#include "jobs/segment_plan.hpp"
#include "media/video_head.hpp"
#include "media/zip_writer.hpp"
#include "results/image_index.hpp"
#include "results/result_document.hpp"
#include "results/result_recorder.hpp"
#include "runner/host/prober.hpp"
#include "worker/segment_run.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class InputFile {
public:
  explicit InputFile(const std::string& path)
      : descriptor_{open(path.c_str(), O_RDONLY | O_CLOEXEC)} {
    struct stat status {};
    if (descriptor_ < 0 || fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
      throw std::runtime_error(path + " cannot be read");
    }
    size_ = status.st_size;
  }
  ~InputFile() { close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::int64_t size() const { return size_; }
  std::vector<std::byte> read(std::int64_t offset, std::size_t max_bytes) const {
    std::vector<std::byte> bytes(max_bytes);
    const ssize_t got = pread(descriptor_, bytes.data(), bytes.size(), offset);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
  }

private:
  int descriptor_;
  std::int64_t size_ = 0;
};

// A file that appears under its name only when it is whole.
class OutputFile : public ByteSink {
public:
  explicit OutputFile(fs::path path)
      : path_{std::move(path)}, part_{path_.string() + ".part"}, out_{part_, std::ios::binary} {
    if (!out_) {
      throw std::runtime_error(part_.string() + " cannot be written");
    }
  }
  ~OutputFile() override {
    std::error_code ignored;
    if (!kept_) {
      fs::remove(part_, ignored);
    }
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  asio::awaitable<void> write(std::vector<std::byte> bytes) override {
    put(bytes);
    co_return;
  }
  void put(std::span<const std::byte> bytes) {
    out_.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  // Over what was written there.
  void put_at(std::streamoff offset, std::span<const std::byte> bytes) {
    const auto end = out_.tellp();
    out_.seekp(offset);
    put(bytes);
    out_.seekp(end);
  }
  void put(std::string_view text) { put(std::as_bytes(std::span{text.data(), text.size()})); }
  void keep() {
    out_.close();
    if (!out_) {
      throw std::runtime_error(part_.string() + " cannot be written; is the disk full?");
    }
    fs::rename(part_, path_);
    kept_ = true;
  }

private:
  fs::path path_;
  fs::path part_;
  std::ofstream out_;
  bool kept_ = false;
};

// Runs a pipeline over a file: the job's way without its database. The whole selection is one
// segment, and what a worker writes into blobs goes into files.
class LocalRun {
public:
  LocalRun(const LocalRunOptions& options, const Config& config,
           const inference::ModelCatalogue& models)
      : options_{options}, config_{config}, models_{models}, input_{options.video.string()} {}

  // The result's head.
  json::object run() {
    asio::signal_set signals{context_, SIGINT, SIGTERM};
    signals.async_wait([&](boost::system::error_code error, int) {
      if (!error) {
        interrupted_ = true;
        context_.stop();
      }
    });
    std::exception_ptr failure;
    asio::co_spawn(context_, work(), [&](const std::exception_ptr& error) {
      failure = error;
      signals.cancel();
    });
    context_.run();
    if (interrupted_) {
      throw std::runtime_error("interrupted; no result was written");
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
    return std::move(head_);
  }

private:
  // The video as source 0, `stored` as source 1.
  runner::SourceReader reader(const std::optional<InputFile>& stored) {
    return [this, &stored](std::uint32_t source, std::int64_t offset,
                           std::size_t max_bytes) -> asio::awaitable<std::vector<std::byte>> {
      const InputFile& file = source == 0 ? input_ : stored.value();
      auto reading = [&file, offset, max_bytes] { return file.read(offset, max_bytes); };
      co_return co_await run_blocking(files_, std::move(reading));
    };
  }

  asio::awaitable<void> work() {
    const json::object& given = options_.params;
    const auto pipeline = pipelines_.of(given);
    if (!pipeline) {
      throw std::runtime_error(pipeline.error().detail);
    }
    const auto checked = (*pipeline)->check(given);
    if (!checked) {
      throw std::runtime_error(checked.error().detail);
    }
    runner::VideoProber prober{context_.get_executor()};
    const std::optional<InputFile> none;
    const auto info =
        co_await prober.probe("", input_.size(), reader(none), std::make_shared<Cancellation>());
    if (!info) {
      throw std::runtime_error(info.error().detail);
    }
    for (const auto& warning : info->warnings) {
      fmt::print(stderr, "warning: {}\n", warning);
    }
    auto params = (*pipeline)->resolve(
        given, VideoFacts{info->frame_count, info->width, info->height}, models_);
    if (!params) {
      throw std::runtime_error(params.error().detail);
    }
    co_await record(**pipeline, *info, std::move(*params));
  }

  asio::awaitable<void> record(const Pipeline& pipeline, media::MediaInfo info,
                               json::object params) {
    const auto common = common_params(params);
    const int images = count_images(common.start_frame, common.end_frame, common.frame_step);
    SegmentWork work{params,        {common.start_frame, common.end_frame, images, std::nullopt},
                     input_.size(), info.width,
                     info.height,   config_.worker_threads};
    const auto* keyframe = keyframe_before(info.keyframes, common.start_frame);
    if (keyframe != nullptr) {
      work.plan.keyframe = *keyframe;
    }
    runner::RunnerOptions runner_options{{}, common.device, config_.worker_threads};
    for (const auto& name : pipeline.models(params)) {
      const auto& model = *models_.find(name);
      runner_options.add_model(model.file.string(), model.file_bytes);
    }
    const fs::path folder = options_.out;
    fs::create_directories(folder);
    OutputFile zip{folder / "images.zip"};
    const auto started = std::chrono::steady_clock::now();
    runner::RunnerProcess runner{context_.get_executor(), runner_options};
    EnergySettings energy{config_.watts_per_core, app::grid_intensity(config_)};
    if (runner_options.device != "cpu") {
      energy.cards = std::make_shared<const energy::GraphicsCards>();
    }
    const fs::path frames = folder / kFramesFile;
    struct Removed {
      const fs::path& file;
      bool keep;
      ~Removed() {
        if (!keep) {
          std::error_code ignored;
          fs::remove(file, ignored);
        }
      }
    } const removed{frames, options_.keep_frames};
    ResultTotals totals;
    std::optional<OutputFile> video;
    SegmentOutcome outcome =
        co_await record_frames(runner, work, zip, frames, energy, pipeline.name(), video);
    totals.add(outcome.processed, outcome.skipped, outcome.failed, outcome.details, energy.grid,
               "");
    if (const auto reason = failure_of(totals, common.max_failed)) {
      throw std::runtime_error(*reason);
    }
    json::object more;
    if (pipeline.sequence(params)) {
      work.op = RunnerOp::in_order;
      work.frames_bytes = static_cast<std::int64_t>(fs::file_size(frames));
      work.plan.image_count = outcome.processed;
      std::string ordered = "in order";
      work.fps = info.fps;
      if (common.wants_video) {
        video.emplace(folder / "video.mp4");
        video->put(std::vector<std::byte>(media::kVideoHeadBytes));
      }
      outcome =
          co_await record_frames(runner, work, zip, frames, energy, std::move(ordered), video);
      totals.add(0, 0, 0, outcome.details, energy.grid, "");
      more = outcome.details.at("summary").as_object();
    }
    ResultFacts facts;
    facts.params = params;
    facts.width = info.width;
    facts.height = info.height;
    facts.fps = info.fps;
    facts.frame_count = info.frame_count;
    facts.warnings = info.warnings;
    facts.seconds = seconds_since(started);
    auto hashing = [path = options_.video] { return sha256_of_file(path); };
    facts.video_sha256 = co_await run_blocking(files_, std::move(hashing));
    const bool has_images = outcome.images_bytes > 0;
    if (has_images) {
      write_directory(zip, outcome);
      zip.keep();
    }
    auto summary = pipeline.summary(json::value_from(totals.tally).as_object());
    for (const auto& [key, value] : more) {
      summary.insert_or_assign(key, value);
    }
    head_ = result_head(facts, totals, std::move(summary));
    write_result(folder, json_text(head_));
    report(folder, totals, facts, has_images, video.has_value());
  }

  // Writes the frames that the runner makes into `file`, which it may be making them of.
  asio::awaitable<SegmentOutcome> record_frames(runner::RunnerProcess& runner, SegmentWork work,
                                                OutputFile& zip, fs::path file,
                                                EnergySettings energy, std::string what,
                                                std::optional<OutputFile>& video) {
    std::optional<InputFile> stored;
    if (work.op == RunnerOp::in_order) {
      stored.emplace(file.string());
    }
    OutputFile frames{file};
    ResultRecorder recorder{zip, frames};
    ProgressBar bar{what, work.plan.image_count};
    std::function<void()> on_frame = [&] { bar.set(recorder.frames()); };
    auto read = reader(stored);
    std::vector<std::byte> video_head;
    runner::VideoSink on_video = [&](runner::VideoPart part,
                                     std::vector<std::byte> bytes) -> asio::awaitable<void> {
      if (part == runner::VideoPart::head) {
        video_head = std::move(bytes);
      } else {
        video.value().put(bytes);
      }
      co_return;
    };
    auto outcome = co_await run_segment(runner, std::move(work), std::move(read), recorder, energy,
                                        std::move(on_frame), std::move(on_video));
    frames.keep();
    if (video && video_head.empty()) {
      video.reset();  // not one picture
    } else if (video) {
      video->put_at(0, video_head);
      video->keep();
    }
    co_return outcome;
  }

  static void write_directory(OutputFile& zip, const SegmentOutcome& outcome) {
    const auto entries = read_index(outcome.image_index);
    std::uint64_t directory_bytes = 0;
    for (const auto& image : entries) {
      const auto record = media::zip_directory_record(zip_entry(image, 0));
      directory_bytes += record.size();
      zip.put(record);
    }
    zip.put(media::zip_end(entries.size(), static_cast<std::uint64_t>(outcome.images_bytes),
                           directory_bytes));
  }

  static void write_result(const fs::path& folder, const std::string& head) {
    const DocumentEnds ends = document_ends(head);
    OutputFile result{folder / "result.json"};
    result.put(ends.before);
    std::ifstream in{folder / kFramesFile, std::ios::binary};
    in.seekg(1);  // the first comma
    std::vector<char> piece(256 * 1024);
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
      result.put(std::string_view{piece.data(), static_cast<std::size_t>(in.gcount())});
    }
    result.put(ends.after);
    result.keep();
  }

  void report(const fs::path& folder, const ResultTotals& totals, const ResultFacts& facts,
              bool has_images, bool has_video) const {
    if (options_.report == LocalRunOptions::Report::none) {
      return;
    }
    if (options_.report == LocalRunOptions::Report::json) {
      std::printf("%s\n", json_text(head_).c_str());
      return;
    }
    std::printf("%d of %d frames in %.1f s (%.1f a second)\n", totals.processed, totals.selected,
                facts.seconds, totals.processed / facts.seconds);
    for (const auto& [name, count] : totals.tally) {
      std::printf("  %-16s %lld\n", name.c_str(), static_cast<long long>(count));
    }
    std::printf("energy  %.1f J, %.4f g CO2e (%s, %g g/kWh)\n", totals.joules, totals.grams,
                json::value_to<std::string>(head_.at("energy").at("method")).c_str(),
                json::value_to<double>(head_.at("energy").at("grid_g_per_kwh")));
    std::printf("result  %s\n", (folder / "result.json").c_str());
    if (has_images) {
      std::printf("images  %s\n", (folder / "images.zip").c_str());
    }
    if (has_video) {
      std::printf("video   %s\n", (folder / "video.mp4").c_str());
    }
  }

  const LocalRunOptions& options_;
  const Config& config_;
  asio::io_context context_{1};
  asio::thread_pool files_{1};
  PipelineCatalogue pipelines_;
  const inference::ModelCatalogue& models_;
  InputFile input_;
  bool interrupted_ = false;
  json::object head_;
};

}  // namespace

json::object run_locally(const LocalRunOptions& options, const Config& config,
                         const inference::ModelCatalogue& models) {
  return LocalRun{options, config, models}.run();
}

}  // namespace infernode::cli
