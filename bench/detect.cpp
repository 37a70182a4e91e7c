// What a job costs beyond the model itself, and what is asked of it costs beyond the job.
//
// Job: the real server with its own PostgreSQL (fsync on) and one worker takes the example clip
// from POST /jobs to COMPLETED, annotated images, result and database included. Bare loop: the same
// clip, model and number of threads; decode, resize and run the session, one frame after the other,
// nothing else. Two of them, since the threads can be used in two ways: all of them on one frame
// (the usual way), or one frame a thread. The ratio is against the faster one. Drawing loop: what
// the pipeline makes of a frame, one frame a thread, images drawn, encoded and written into a ZIP
// file: a job without server, queue, box and database. A pipeline of several models (text) has no
// bare loop; the drawing loop without images stands for it.
//
// Without images the job is put beside the bare loop, with images beside the drawing one. Then, in
// percent of the job with images: tracking, the annotated video, and each export of the result.
//
// Not measured: the upload, which comes once, and loading the model, which all have done before
// the clock starts; and the wait of whoever asks for the job's status: its end is what it says as
// finished_at, by this machine's clock. Rounds alternate, so that a noisy machine is noisy for all;
// medians are compared.
//
// With CenterNet it is also put beside what somebody would write: a Python script with OpenCV that
// decodes, runs the model by ONNX Runtime's C library, draws, encodes and writes a ZIP, and the
// peak memory of either (of our runner, which holds the model and the pictures, and of the server).
//
// Usage: bench_detect [ROUNDS] [MODEL | text]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "inference/model_catalogue.hpp"
#include "inference/preprocessing.hpp"
#include "inference/runner_models.hpp"
#include "measure.hpp"
#include "media/frame_reader.hpp"
#include "media/zip_writer.hpp"
#include "pipelines/frame_task.hpp"
#include "pipelines/pipeline.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

double seconds_since_start(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Frames a second over the whole clip, in lanes that work beside each other. Each has of
// `make_work` what it does with a frame.
template <class MakeWork>
double rate_over(const std::vector<std::byte>& clip, int lanes, MakeWork make_work) {
  test::MemorySource source{clip};
  media::FrameReader reader{source, std::nullopt};
  std::mutex reading;
  int frames = 0;
  const auto start = Clock::now();
  const auto lane = [&] {
    auto work = make_work();
    for (;;) {
      std::optional<media::DecodedFrame> frame;
      {
        const std::lock_guard lock{reading};
        frame = reader.next();
        frames += frame ? 1 : 0;
      }
      if (!frame) {
        return;
      }
      work(*frame);
    }
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < lanes; ++i) {
    others.emplace_back(lane);
  }
  lane();
  others.clear();  // waits for them
  return frames / seconds_since_start(start);
}

class BareLoop {
public:
  // `lanes` frames at once, each with `threads_per_frame` threads.
  BareLoop(const inference::Model& model, int lanes, int threads_per_frame)
      : model_{model},
        lanes_{lanes},
        session_{model.file, inference::session_names(model), threads_per_frame,
                 inference::Device::cpu},
        clip_{test::read_file(test::kClip.string())} {}

  // Frames a second over the whole clip.
  double run() {
    return rate_over(clip_, lanes_, [this] {
      return [this, preprocessor = std::make_shared<inference::Preprocessor>(model_.input)](
                 const media::DecodedFrame& frame) {
        auto& input = preprocessor->prepare(frame);
        session_.run(input.values, input.shape);
      };
    });
  }

private:
  const inference::Model& model_;
  int lanes_;
  inference::OnnxSession session_;
  std::vector<std::byte> clip_;
};

// The pipeline's own work over the whole clip, a frame a thread; images go into a ZIP file.
class DrawingLoop {
public:
  // `params` are resolved; they name models of the catalogue.
  DrawingLoop(const Pipeline& pipeline, json::object params,
              const inference::ModelCatalogue& catalogue, int lanes)
      : params_{std::move(params)},
        lanes_{lanes},
        models_{inference::read_models(files_of(pipeline, params_, catalogue)),
                inference::Device::cpu},
        task_{pipeline.open(params_, models_)},
        clip_{test::read_file(test::kClip.string())} {}

  // Frames a second.
  double run() {
    const test::TemporaryFolder folder;
    std::ofstream zip{folder.path() / "images.zip", std::ios::binary};
    std::vector<media::ZipEntry> entries;
    std::uint64_t offset = 0;
    std::string document;
    std::mutex writing;
    const auto write = [&](const std::vector<std::byte>& bytes) {
      zip.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
      offset += bytes.size();
    };
    const double rate = rate_over(clip_, lanes_, [&] {
      return [&, worker = std::shared_ptr<FrameWorker>{task_->new_worker()}](
                 const media::DecodedFrame& frame) {
        const auto made = worker->work(frame);
        const std::lock_guard lock{writing};
        document += made.json;
        if (!made.jpeg.empty()) {
          entries.push_back({fmt::format("{:06}.jpg", frame.index), offset,
                             static_cast<std::uint32_t>(made.jpeg.size()),
                             media::crc32_of(made.jpeg)});
          write(media::zip_local_header(entries.back()));
          write(made.jpeg);
        }
      };
    });
    const auto directory = offset;
    for (const auto& entry : entries) {
      write(media::zip_directory_record(entry));
    }
    write(media::zip_end(entries.size(), directory, offset - directory));
    zip.close();
    if (!zip || document.empty()) {
      throw std::runtime_error("the drawing loop wrote nothing");
    }
    return rate;
  }

private:
  static std::vector<std::string> files_of(const Pipeline& pipeline, const json::object& params,
                                           const inference::ModelCatalogue& catalogue) {
    std::vector<std::string> files;
    for (const auto& name : pipeline.models(params)) {
      files.push_back(catalogue.find(name)->file.string());
    }
    return files;
  }

  json::object params_;
  int lanes_;
  inference::RunnerModels models_;
  std::unique_ptr<FrameTask> task_;
  std::vector<std::byte> clip_;
};

// What a job brought: equal hashes are equal results.
struct Hashes {
  std::string frames;  // of the parsed frames, written anew
  std::string images;  // of the ZIP's bytes
};

std::string hash_of(std::string_view text) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span{text}));
  const auto digest = sha.finish();
  return hex(digest);
}

Timestamp parse_rfc3339(std::string text) {
  text.replace(text.find('T'), 1, " ");
  text.replace(text.find('Z'), 1, "+00");
  return parse_postgres_time(text);
}

struct Done {
  std::string id;
  double rate = 0;  // frames a second
};

Done run_job(test::TestUser& user, const std::string& video, const json::object& params) {
  const json::object request{{"video_ids", json::array{video}}, {"params", params}};
  const auto start = std::chrono::system_clock::now();
  const auto accepted = user.send("POST", "/jobs", json_text(request));
  const std::string id = test::text(json::parse(accepted.body).at("jobs").at(0), "id");
  json::value job;
  for (std::string status; status != "COMPLETED";) {
    std::this_thread::sleep_for(std::chrono::milliseconds{250});
    job = json::parse(user.send("GET", "/jobs/" + id).body);
    status = test::text(job, "status");
    if (status == "FAILED" || status == "ABORTED") {
      throw std::runtime_error("the job ended as " + status);
    }
  }
  const auto finished = parse_rfc3339(test::text(job, "finished_at"));
  return {id, 120 / std::chrono::duration<double>(finished - start).count()};
}

Hashes hashes_of(test::TestUser& user, const std::string& job) {
  const auto result = json::parse(user.send("GET", "/jobs/" + job + "/result").body);
  return {hash_of(json_text(result.at("frames"))),
          hash_of(user.send("GET", "/jobs/" + job + "/images").body)};
}

// Adds the seconds that each format of a job's result takes, by name; none that it is not there in.
void time_exports(test::TestUser& user, const std::string& job,
                  std::map<std::string, std::vector<double>>& seconds) {
  for (const char* format : {"coco", "yolo", "mot", "cvat", "labelstudio", "csv", "webvtt"}) {
    const auto start = Clock::now();
    const auto answer = user.send("GET", "/jobs/" + job + "/result?format=" + format);
    if (answer.status == 200) {
      seconds[format].push_back(seconds_since_start(start));
    }
  }
}

json::object with(json::object params, const std::string& key, bool value) {
  params[key] = value;
  return params;
}

struct Script {
  double rate = 0;       // frames a second
  double mebibytes = 0;  // peak
};

Script run_script(const inference::Model& model, int threads) {
  const test::TemporaryFolder folder;
  const auto run =
      run_process({"/usr/bin/python3", INFERNODE_SOURCE_DIR "/bench/rivals/opencv_detect.py",
                   test::kClip.string(), model.file.string(), INFERNODE_ONNXRUNTIME,
                   std::to_string(threads), (folder.path() / "images.zip").string()});
  if (run.status != 0) {
    throw std::runtime_error("the Python script: " + run.output);
  }
  const auto said = json::parse(run.output);
  return {said.at("rate").to_number<double>(), said.at("mebibytes").to_number<double>()};
}

// The peak of the largest process of ours that was started with this word, in MiB.
double peak_of(const std::string& word) {
  double most = 0;
  for (const auto process : bench::processes_of(word)) {
    most = std::max(most, static_cast<double>(bench::status_kib(process, "VmHWM")) / 1024);
  }
  return most;
}

int measure(int rounds, const std::string& name) {
  const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto models = inference::load_catalogue(INFERNODE_MODELS);
  const auto* model = name.empty() ? models.default_of("detect") : models.find(name);
  if (model == nullptr && name != "text") {
    throw std::runtime_error("there is no such model; ./run makes those that ship");
  }
  const PipelineCatalogue pipelines;
  const auto* pipeline = pipelines.find(model == nullptr ? name : model->pipeline);
  json::object params{{"pipeline", pipeline->name()}, {"images", true}};
  if (model != nullptr) {
    params["model"] = model->name;
  }
  const auto with_images = pipeline->resolve(params, {120}, models).value();
  const auto without = with(with_images, "images", false);

  test::TestServer server{{{"INFERNODE_LEASE_SECONDS", "15"}, {"INFERNODE_LOG_LEVEL", "warn"}}};
  test::TestUser user{server};
  const auto footage = user.with_footage("bench");
  std::vector<std::function<double()>> bare_loops;
  std::optional<BareLoop> one_frame;
  std::optional<BareLoop> many_frames;
  DrawingLoop drawing{*pipeline, with_images, models, threads};
  std::optional<DrawingLoop> quiet;
  if (model != nullptr) {
    one_frame.emplace(*model, 1, threads);
    many_frames.emplace(*model, threads, 1);
    bare_loops = {[&] { return one_frame->run(); }, [&] { return many_frames->run(); }};
  } else {
    quiet.emplace(*pipeline, without, models, threads);
    bare_loops = {[&] { return quiet->run(); }};
  }
  // Warm: caches, prepared statements, the runner.
  auto hashes = hashes_of(user, run_job(user, footage.video, with_images).id);
  drawing.run();
  for (const auto& loop : bare_loops) {
    loop();
  }
  std::vector<double> job;
  std::vector<double> job_without;
  std::vector<double> tracked;
  std::vector<double> filmed;
  std::vector<double> drawn;
  std::vector<std::vector<double>> bare(bare_loops.size());
  std::map<std::string, std::vector<double>> exports;
  const bool has_script = model != nullptr && model->name == "centernet";
  std::vector<double> script;
  Script last;
  for (int round = 0; round < rounds; ++round) {
    job.push_back(run_job(user, footage.video, with_images).rate);
    job_without.push_back(run_job(user, footage.video, without).rate);
    const auto followed = run_job(user, footage.video, with(with_images, "track", true));
    tracked.push_back(followed.rate);
    time_exports(user, followed.id, exports);
    filmed.push_back(run_job(user, footage.video, with(with_images, "video", true)).rate);
    drawn.push_back(drawing.run());
    fmt::print("round {}: job {:.1f}, without images {:.1f}, tracked {:.1f}, with video {:.1f}, ",
               round + 1, job.back(), job_without.back(), tracked.back(), filmed.back());
    fmt::print("drawing loop {:.1f}, bare loop", drawn.back());
    for (std::size_t i = 0; i < bare.size(); ++i) {
      bare[i].push_back(bare_loops[i]());
      fmt::print("{} {:.1f}", i == 0 ? "" : ",", bare[i].back());
    }
    if (has_script) {
      last = run_script(*model, threads);
      script.push_back(last.rate);
      fmt::print(", Python script with OpenCV {:.1f}", last.rate);
    }
    fmt::print(" frames/s\n");
  }
  double fastest = 0;
  for (const auto& rates : bare) {
    fastest = std::max(fastest, bench::median(rates));
  }
  const double rate = bench::median(job);
  const auto percent = [&](const std::vector<double>& rates) {
    return 100 * (rate / bench::median(rates) - 1);
  };
  fmt::print("input: examples/street.mp4, 120 frames of 768x576; {}; {} threads;{}",
             model == nullptr ? name : model->name, threads, bench::processor());
  fmt::print("SHA-256 of the parsed frames: {}\n", hashes.frames);
  fmt::print("SHA-256 of the ZIP:           {}\n", hashes.images);
  fmt::print("tracking: {:+.1f} %, annotated video: {:+.1f} %\n", percent(tracked),
             percent(filmed));
  for (const auto& [format, seconds] : exports) {
    fmt::print("export {}: {:+.2f} %\n", format, 100 * bench::median(seconds) * rate / 120);
  }
  if (has_script) {
    fmt::print("ratio to the Python script: {:.2f}\n", rate / bench::median(script));
    fmt::print("peak memory: runner {:.0f} MiB, server {:.0f} MiB; script {:.0f} MiB\n",
               peak_of("runner"), peak_of("serve"), last.mebibytes);
  }
  fmt::print("with images, to the bare loop: {:.2f}\n", rate / fastest);
  fmt::print("with images, to the drawing loop: {:.2f}\n", rate / bench::median(drawn));
  fmt::print("ratio={:.2f}\n", bench::median(job_without) / fastest);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? std::max(1, std::atoi(argv[1])) : 5, argc > 2 ? argv[2] : "");
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_detect: {}\n", error.what());
    return 1;
  }
}
