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
#include <sstream>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "cli/progress.hpp"
#include "core/blocking.hpp"
#include "core/clock.hpp"
#include "core/embedded.hpp"
#include "core/json.hpp"
#include "energy/meter.hpp"
#include "http/openapi.hpp"
#include "jobs/job_params.hpp"
#include "jobs/segment_plan.hpp"
#include "results/image_index.hpp"
#include "results/result_document.hpp"
#include "runner/detect_task.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct RunOptions {
  std::string video;
  std::string out = "out";
  std::string pipeline = "detect";
  std::string model;
  std::string device = "auto";
  int start_frame = 0;
  int end_frame = 0;
  int frame_step = 1;
  double confidence = 0.3;
  std::vector<std::string> classes;
  bool no_images = false;
  int image_quality = 85;
  bool as_json = false;
};

// The params as a client would send them, so that one set of checks serves both.
json::object params_of(const RunOptions& options) {
  json::object params{
      {"pipeline", options.pipeline},       {"device", options.device},
      {"start_frame", options.start_frame}, {"frame_step", options.frame_step},
      {"confidence", options.confidence},   {"classes", json::value_from(options.classes)},
      {"images", !options.no_images},       {"image_quality", options.image_quality}};
  if (!options.model.empty()) {
    params.emplace("model", options.model);
  }
  if (options.end_frame > 0) {
    params.emplace("end_frame", options.end_frame);
  }
  return params;
}

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
class OutputFile {
public:
  explicit OutputFile(fs::path path)
      : path_{std::move(path)}, part_{path_.string() + ".part"}, out_{part_, std::ios::binary} {
    if (!out_) {
      throw std::runtime_error(part_.string() + " cannot be written");
    }
  }
  ~OutputFile() {
    std::error_code ignored;
    if (!kept_) {
      fs::remove(part_, ignored);
    }
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    out_.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    size_ += bytes.size();
  }
  void write(std::string_view text) { write(std::as_bytes(std::span{text.data(), text.size()})); }
  std::uint64_t size() const { return size_; }
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
  std::uint64_t size_ = 0;
  bool kept_ = false;
};

class LocalRun {
public:
  LocalRun(const RunOptions& options, const Config& config)
      : options_{options},
        config_{config},
        models_{inference::load_catalogue(inference::model_folder(config.model_dir))},
        input_{options.video} {}

  void run() {
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
      throw std::runtime_error("interrupted; nothing was written");
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

private:
  VideoReader reader() {
    return [this](std::int64_t offset,
                  std::size_t max_bytes) -> asio::awaitable<std::vector<std::byte>> {
      auto reading = [this, offset, max_bytes] { return input_.read(offset, max_bytes); };
      co_return co_await run_blocking(files_, std::move(reading));
    };
  }

  asio::awaitable<void> work() {
    const http::ApiDocument document{embedded_file("api/openapi.yaml")};
    const json::object given = params_of(options_);
    for (const auto& error : http::check_schema(document.schema("DetectParams"), given)) {
      throw std::runtime_error(fmt::format("{}: {}", error.pointer, error.detail));
    }
    VideoProber prober{context_.get_executor()};
    const auto info = co_await prober.probe(input_.size(), reader());
    if (!info) {
      throw std::runtime_error(info.error().detail);
    }
    const auto params = resolve_params(given, info->frame_count, models_);
    if (!params) {
      throw std::runtime_error(params.error().detail);
    }
    co_await detect(*info, *params);
  }

  asio::awaitable<void> detect(media::MediaInfo info, json::object params) {
    const auto* model = find_model(models_, json::value_to<std::string>(params.at("model")));
    const auto number = [&](const char* key) { return json::value_to<int>(params.at(key)); };
    runner::DetectTask task;
    task.video_bytes = input_.size();
    task.start_frame = number("start_frame");
    task.end_frame = number("end_frame");
    task.frame_step = number("frame_step");
    const auto* keyframe = keyframe_before(info.keyframes, task.start_frame);
    if (keyframe != nullptr && keyframe->frame > 0) {
      task.keyframe = *keyframe;
    }
    task.confidence = json::value_to<double>(params.at("confidence"));
    task.classes = class_ids(params, *model);
    task.images = params.at("images").as_bool();
    task.image_quality = number("image_quality");

    const fs::path folder = options_.out;
    fs::create_directories(folder);
    OutputFile frames{folder / ".frames"};
    std::optional<OutputFile> images;
    if (task.images) {
      images.emplace(folder / "images.zip");
    }
    std::vector<std::byte> index;
    ProgressBar bar{"detect", count_images(task.start_frame, task.end_frame, task.frame_step)};
    int done = 0;
    FrameSink sink = [&](RunnerFrame frame) -> asio::awaitable<void> {
      if (images) {
        IndexedImage image;
        image.frame = frame.frame;
        image.offset = images->size();
        image.size = static_cast<std::uint32_t>(frame.jpeg.size());
        image.crc32 = media::crc32_of(frame.jpeg);
        append_to_index(index, image);
        images->write(media::zip_local_header(zip_entry(image, 0)));
        images->write(frame.jpeg);
      }
      frames.write("," + frame.json);
      bar.set(++done);
      co_return;
    };
    const auto started = std::chrono::steady_clock::now();
    const energy::Meter meter{config_.watts_per_core};
    const runner::RunnerOptions runner_options{inference::model_folder(config_.model_dir).string(),
                                               model->name, options_.device,
                                               config_.worker_threads};
    RunnerProcess runner{context_.get_executor(), runner_options};
    auto request = runner::detect_task_to_json(task);
    auto details = co_await runner.run(std::move(request), reader(), std::move(sink));
    const auto energy = meter.read(json::value_to<double>(details.at("cpu_seconds")));
    details.emplace("energy_method", energy.method);

    ResultTotals totals;
    totals.add(json::value_to<int>(details.at("processed")),
               json::value_to<int>(details.at("skipped")),
               json::value_to<int>(details.at("failed")), energy.joules, details);
    ResultFacts facts;
    facts.params = params;
    facts.width = info.width;
    facts.height = info.height;
    facts.fps = info.fps;
    facts.frame_count = info.frame_count;
    facts.seconds = seconds_since(started);
    facts.model_sha256 = model->sha256;
    auto hashing = [path = fs::path{options_.video}] { return sha256_of_file(path); };
    facts.video_sha256 = co_await run_blocking(files_, std::move(hashing));
    facts.build = std::string{build_version()};
    facts.grid = grid_intensity(config_);
    if (images) {
      write_directory(*images, index);
      images->keep();
    }
    frames.keep();
    write_result(folder, json_text(result_head(facts, totals)));
    report(folder, totals, facts);
  }

  static void write_directory(OutputFile& images, const std::vector<std::byte>& index) {
    const std::uint64_t begin = images.size();
    const auto entries = read_index(index);
    for (const auto& image : entries) {
      images.write(media::zip_directory_record(zip_entry(image, 0)));
    }
    images.write(media::zip_end(entries.size(), begin, images.size() - begin));
  }

  static void write_result(const fs::path& folder, const std::string& head) {
    const ResultFrame frame = frame_of(head);
    OutputFile result{folder / "result.json"};
    result.write(frame.before);
    std::ifstream in{folder / ".frames", std::ios::binary};
    in.seekg(1);  // the first comma
    std::vector<char> piece(256 * 1024);
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
      result.write(std::string_view{piece.data(), static_cast<std::size_t>(in.gcount())});
    }
    result.write(frame.after);
    result.keep();
    fs::remove(folder / ".frames");
  }

  void report(const fs::path& folder, const ResultTotals& totals, const ResultFacts& facts) const {
    if (options_.as_json) {
      std::printf("%s\n", json_text(result_head(facts, totals)).c_str());
      return;
    }
    std::printf("%d of %d frames in %.1f s (%.1f a second)\n", totals.processed, totals.selected,
                facts.seconds, totals.processed / facts.seconds);
    for (const auto& [label, count] : totals.labels) {
      std::printf("  %-16s %lld\n", label.c_str(), static_cast<long long>(count));
    }
    std::printf("energy  %.1f J, %.4f g CO2e (%s, %g g/kWh)\n", totals.joules,
                energy::grams_of(totals.joules, facts.grid), totals.energy_method.c_str(),
                facts.grid.grams_per_kwh);
    std::printf("result  %s\n", (folder / "result.json").c_str());
    if (!options_.no_images) {
      std::printf("images  %s\n", (folder / "images.zip").c_str());
    }
  }

  const RunOptions& options_;
  const Config& config_;
  asio::io_context context_{1};
  asio::thread_pool files_{1};
  std::vector<inference::Model> models_;
  InputFile input_;
  bool interrupted_ = false;
};

}  // namespace

void add_run_command(CLI::App& app, int& status) {
  auto* command =
      add_command(app, "run", "Run a pipeline over a video file, without server and database");
  auto options = std::make_shared<RunOptions>();
  command->add_option("VIDEO", options->video, "The video file")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--out", options->out, "Folder for result.json and images.zip")
      ->capture_default_str();
  command->add_option("--pipeline", options->pipeline, "What to run")
      ->check(CLI::IsMember({"detect"}))
      ->capture_default_str();
  command->add_option("--model", options->model, "A model of the pipeline (infernode models:list)");
  command->add_option("--device", options->device, "Where to compute")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_option("--start-frame", options->start_frame, "First frame")->capture_default_str();
  command->add_option("--end-frame", options->end_frame, "Frame to stop before; default: all");
  command->add_option("--frame-step", options->frame_step, "Every so many frames")
      ->capture_default_str();
  command->add_option("--confidence", options->confidence, "Least confidence, 0 to 1")
      ->capture_default_str();
  command->add_option("--classes", options->classes, "Labels to keep, such as person,car")
      ->delimiter(',');
  command->add_flag("--no-images", options->no_images, "Write no annotated images");
  command->add_option("--image-quality", options->image_quality, "JPEG quality, 1 to 100")
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "Print the result's head as JSON");
  command->callback([&status, options] {
    const Config config = load_settings();
    LocalRun{*options, config}.run();
    status = 0;
  });
}

}  // namespace infernode::cli
