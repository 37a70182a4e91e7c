// What the main job costs beyond the model itself.
//
// Job: the real server with its own PostgreSQL (fsync on) and one worker takes the example clip
// from POST /jobs to COMPLETED, annotated images, result and database included. Bare loop: the same
// clip, model and number of threads; decode, resize and run the session, one frame after the other,
// nothing else. Two of them, since the threads can be used in two ways: all of them on one frame
// (the usual way), or one frame a thread. The ratio is against the faster one.
//
// Not measured: the upload, which comes once, and loading the model, which both have done before
// the clock starts; and the wait of whoever asks for the job's status: its end is what it says as
// finished_at, by this machine's clock. Rounds alternate, so that a noisy machine is noisy for all;
// medians are compared.
//
// With images the job also draws and encodes each frame and writes the ZIP; without it does what
// the bare loop does, and the rest of it.
//
// With CenterNet it is also put beside what somebody would write: a Python script with OpenCV that
// decodes, runs the model by ONNX Runtime's C library, draws, encodes and writes a ZIP, and the
// peak memory of either (of our runner, which holds the model and the pictures, and of the server).
//
// Usage: bench_detect [ROUNDS] [MODEL]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
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
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

double seconds_since_start(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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
    test::MemorySource source{clip_};
    media::FrameReader reader{source, std::nullopt};
    std::mutex reading;
    int frames = 0;
    const auto start = Clock::now();
    const auto lane = [&] {
      inference::Preprocessor preprocessor{model_.input};
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
        auto& input = preprocessor.prepare(*frame);
        session_.run(input.values, input.shape);
      }
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < lanes_; ++i) {
      threads.emplace_back(lane);
    }
    lane();
    for (auto& thread : threads) {
      thread.join();
    }
    return frames / seconds_since_start(start);
  }

private:
  const inference::Model& model_;
  int lanes_;
  inference::OnnxSession session_;
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

double run_job(test::TestUser& user, const std::string& video, const json::object& params,
               Hashes& hashes) {
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
  const double rate = 120 / std::chrono::duration<double>(finished - start).count();
  const auto result = json::parse(user.send("GET", "/jobs/" + id + "/result").body);
  hashes.frames = hash_of(json_text(result.at("frames")));
  if (params.at("images").as_bool()) {
    hashes.images = hash_of(user.send("GET", "/jobs/" + id + "/images").body);
  }
  return rate;
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
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    std::ifstream command{entry.path() / "cmdline"};
    const std::string words{std::istreambuf_iterator<char>{command}, {}};
    if (words.find("infernode") == std::string::npos ||
        words.find('\0' + word + '\0') == std::string::npos) {
      continue;
    }
    std::ifstream status{entry.path() / "status"};
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) {
        most = std::max(most, std::stod(line.substr(6)) / 1024);
      }
    }
  }
  return most;
}

int measure(int rounds, const std::string& name) {
  const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto models = inference::load_catalogue(INFERNODE_MODELS);
  const auto* model = name.empty() ? models.default_of("detect") : models.find(name);
  if (model == nullptr) {
    throw std::runtime_error("there is no such model; ./run makes those that ship");
  }
  test::TestServer server{{{"INFERNODE_LEASE_SECONDS", "15"}, {"INFERNODE_LOG_LEVEL", "warn"}}};
  test::TestUser user{server};
  const auto footage = user.with_footage("bench");
  BareLoop one_frame{*model, 1, threads};
  BareLoop many_frames{*model, threads, 1};
  Hashes hashes;
  json::object with_images{{"pipeline", model->pipeline}, {"model", model->name}, {"images", true}};
  json::object without = with_images;
  without["images"] = false;
  run_job(user, footage.video, with_images,
          hashes);  // warm: caches, prepared statements, the runner
  one_frame.run();
  many_frames.run();
  std::vector<double> job;
  std::vector<double> job_without;
  std::vector<double> bare_one;
  std::vector<double> bare_many;
  const bool has_script = model->name == "centernet";
  std::vector<double> script;
  Script last;
  for (int round = 0; round < rounds; ++round) {
    job.push_back(run_job(user, footage.video, with_images, hashes));
    job_without.push_back(run_job(user, footage.video, without, hashes));
    bare_one.push_back(one_frame.run());
    bare_many.push_back(many_frames.run());
    if (has_script) {
      last = run_script(*model, threads);
      script.push_back(last.rate);
      fmt::print("Python script with OpenCV: {:.1f} frames/s\n", last.rate);
    }
    fmt::print(
        "round {}: job {:.1f}, without images {:.1f}, bare loop {:.1f} (all threads on a frame), "
        "{:.1f} (a frame a thread) frames/s\n",
        round + 1, job.back(), job_without.back(), bare_one.back(), bare_many.back());
  }
  fmt::print("input: examples/street.mp4, 120 frames of 768x576; model {}; {} threads;{}",
             model->name, threads, bench::processor());
  fmt::print("SHA-256 of the parsed frames: {}\n", hashes.frames);
  fmt::print("SHA-256 of the ZIP:           {}\n", hashes.images);
  fmt::print("ratio to all threads on a frame: {:.2f}\n",
             bench::median(job) / bench::median(bare_one));
  const double bare = std::max(bench::median(bare_one), bench::median(bare_many));
  fmt::print("without images: {:.2f}\n", bench::median(job_without) / bare);
  if (has_script) {
    fmt::print("ratio to the Python script: {:.2f}\n", bench::median(job) / bench::median(script));
    fmt::print("peak memory: runner {:.0f} MiB, server {:.0f} MiB; script {:.0f} MiB\n",
               peak_of("runner"), peak_of("serve"), last.mebibytes);
  }
  fmt::print("ratio={:.2f}\n", bench::median(job) / bare);
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
