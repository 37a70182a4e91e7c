#include <fmt/format.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <fstream>

#include "app/app.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "cli/local_run.hpp"
#include "cli/progress.hpp"
#include "core/json.hpp"
#include "inference/golden.hpp"
#include "results/frame_stream.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct ReplayOptions {
  std::string job;
  std::string out;  // empty: nothing is kept
  bool as_json = false;
};

// Gone with what is in it.
class ScratchFolder {
public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "infernode-replay-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error(
          fmt::format("no folder can be made in {}; TMPDIR names another place",
                      fs::temp_directory_path().string()));
    }
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

struct Original {
  Job job;
  Video video;
  StoredResult result;
};

template <class T>
T value_of(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().detail);
  }
  return std::move(*result);
}

asio::awaitable<Original> find_original(app::App& app, JobId id) {
  auto inspected = value_of(co_await app.jobs.inspect(id));
  auto job = std::move(inspected.job);
  if (const auto drawn = drawn_job(job.params.as_object())) {
    throw std::runtime_error(fmt::format(
        "this job draws again what the job {} found; replay that one", drawn->to_string()));
  }
  auto result = value_of(co_await app.results.find(job.user, id));
  auto video = value_of(co_await app.videos.find(job.user, job.video));
  co_await app.installed.read();
  co_await app.installed.fetch();
  co_return Original{std::move(job), std::move(video), std::move(result)};
}

asio::awaitable<void> copy_blob(app::App& app, BlobId blob, std::int64_t size, fs::path file) {
  constexpr std::int64_t kMiB = 1024 * 1024;
  std::ofstream out{file, std::ios::binary};
  ProgressBar bar{"video (MiB)", static_cast<int>(size / kMiB) + 1};
  for (std::int64_t at = 0; at < size;) {
    const auto bytes = co_await app.blobs.read(blob, at, kMiB);
    if (bytes.empty()) {
      throw std::runtime_error("the stored video is shorter than it should be");
    }
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    at += static_cast<std::int64_t>(bytes.size());
    bar.set(static_cast<int>(at / kMiB));
  }
  out.close();
  if (!out) {
    throw std::runtime_error(file.string() + " cannot be written; is the disk full?");
  }
}

std::vector<std::byte> read_file_at(std::ifstream& in, std::int64_t offset, std::size_t most) {
  std::vector<std::byte> bytes(most);
  in.clear();
  in.seekg(offset);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(most));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

// Whether a file has a blob's bytes; where they part, if not.
asio::awaitable<std::optional<std::int64_t>> first_other_byte(app::App& app,
                                                              std::optional<BlobId> blob,
                                                              std::int64_t size, fs::path file) {
  std::ifstream in{file, std::ios::binary};
  for (std::int64_t at = 0; blob && at < size;) {
    const auto stored = co_await app.blobs.read(*blob, at, BlobStore::kChunkBytes);
    const auto made = read_file_at(in, at, stored.size());
    const auto [a, b] = std::mismatch(stored.begin(), stored.end(), made.begin(), made.end());
    if (stored.empty() || a != stored.end() || b != made.end()) {
      co_return at + (a - stored.begin());
    }
    at += static_cast<std::int64_t>(stored.size());
  }
  std::error_code absent;
  const auto made = fs::file_size(file, absent);
  const bool same_size = (absent ? 0 : static_cast<std::int64_t>(made)) == (blob ? size : 0);
  co_return same_size ? std::nullopt : std::optional{blob ? size : 0};
}

// The first place where two JSON values are not the same.
std::optional<std::string> difference(const json::value& was, const json::value& is,
                                      const std::string& place) {
  if (was == is) {
    return std::nullopt;
  }
  if (was.is_object() && is.is_object()) {
    for (const auto& [key, value] : was.as_object()) {
      const auto* other = is.as_object().if_contains(key);
      auto found = difference(value, other == nullptr ? json::value{} : *other,
                              place + "/" + std::string{key});
      if (found) {
        return found;
      }
    }
    return place + " has more than it had";
  }
  if (was.is_array() && is.is_array() && was.as_array().size() == is.as_array().size()) {
    for (std::size_t i = 0; i < was.as_array().size(); ++i) {
      if (auto found = difference(was.at(i), is.at(i), fmt::format("{}/{}", place, i))) {
        return found;
      }
    }
  }
  if (was.is_array() && is.is_array()) {
    return fmt::format("{} has {} entries, and had {}", place, is.as_array().size(),
                       was.as_array().size());
  }
  return fmt::format("{} is {}, and was {}", place, json_text(is), json_text(was));
}

// By what is found, as far as processors and builds differ.
std::optional<std::string> rough_difference(const json::value& was, const json::value& is,
                                            double confidence) {
  inference::Golden expected;
  expected.confidence = confidence;
  for (const auto& object : was.at("objects").as_array()) {
    expected.objects.push_back(inference::golden_object(object.as_object()));
  }
  const auto differences = inference::golden_differences(expected, is.at("objects").as_array());
  return differences.empty() ? std::nullopt : std::optional{differences.front()};
}

struct Verdict {
  std::vector<std::string> other;  // what computed it is another than then
  std::optional<std::string> difference;
  std::int64_t frames = 0;
};

asio::awaitable<Verdict> compare(app::App& app, const Original& original, fs::path folder,
                                 const json::object& head) {
  const auto was = json::parse(original.result.head);
  Verdict verdict;
  for (const char* key : {"build", "runtime", "providers", "processors"}) {
    const auto& then = was.at("provenance").at(key);
    const auto& now = head.at("provenance").at(key);
    if (then != now) {
      verdict.other.push_back(
          fmt::format("{} is {}, and was {}", key, json_text(now), json_text(then)));
    }
  }
  if (auto model = difference(was.at("provenance").at("model_sha256"),
                              head.at("provenance").at("model_sha256"), "the model's SHA-256")) {
    verdict.difference = std::move(model);
    co_return verdict;
  }
  FrameStream::Read read_stored = [&](std::int64_t offset,
                                      std::size_t most) -> asio::awaitable<std::vector<std::byte>> {
    if (!original.result.frames_blob) {
      co_return std::vector<std::byte>{};
    }
    co_return co_await app.blobs.read(*original.result.frames_blob, offset, most);
  };
  std::ifstream in{folder / kFramesFile, std::ios::binary};
  FrameStream::Read read_made = [&in](std::int64_t offset,
                                      std::size_t most) -> asio::awaitable<std::vector<std::byte>> {
    co_return read_file_at(in, offset, most);
  };
  FrameStream stored{std::move(read_stored)};
  FrameStream made{std::move(read_made)};
  const auto* confidence = original.job.params.as_object().if_contains("confidence");
  for (;;) {
    const auto then = co_await stored.next();
    const auto now = co_await made.next();
    if (!then && !now) {
      break;
    }
    if (!then || !now) {
      verdict.difference =
          fmt::format("there are {} frames than there were", now ? "more" : "fewer");
      co_return verdict;
    }
    ++verdict.frames;
    if (*then == *now) {
      continue;
    }
    const auto a = json::parse(*then);
    const auto b = json::parse(*now);
    auto found =
        verdict.other.empty()
            ? difference(a, b, "")
            : rough_difference(a, b, confidence == nullptr ? 0 : confidence->to_number<double>());
    if (found) {
      verdict.difference = fmt::format("frame {}: {}", a.at("frame").as_int64(), *found);
      co_return verdict;
    }
  }
  if (!verdict.other.empty()) {
    co_return verdict;
  }
  verdict.difference = difference(was.at("summary"), head.at("summary"), "/summary");
  for (const auto& [name, blob, size] :
       {std::tuple{"images.zip", original.result.images_blob, original.result.images_bytes},
        {"video.mp4", original.result.video_blob, original.result.video_bytes}}) {
    const auto at = co_await first_other_byte(app, blob, size, folder / name);
    if (at && !verdict.difference) {
      verdict.difference = fmt::format("{} differs from byte {} on", name, *at);
    }
  }
  co_return verdict;
}

// Runs `work` on the app's loop. Throws what it throws.
void run_on(app::App& app, std::function<asio::awaitable<void>()> work) {
  std::exception_ptr failure;
  asio::co_spawn(app.context, work(), [&](const std::exception_ptr& error) {
    failure = error;
    app.context.stop();
  });
  app.context.restart();
  app.context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

void print(const Verdict& verdict, const Original& original, bool as_json) {
  if (as_json) {
    std::printf("%s\n", json_text(json::object{{"same", !verdict.difference},
                                               {"exact", verdict.other.empty()},
                                               {"frames", verdict.frames},
                                               {"difference", verdict.difference
                                                                  ? json::value(*verdict.difference)
                                                                  : json::value{}},
                                               {"other", json::value_from(verdict.other)}})
                            .c_str());
    return;
  }
  for (const auto& other : verdict.other) {
    fmt::print("not the same machine: {}\n", other);
  }
  if (verdict.difference) {
    fmt::print("differs: {}\n", *verdict.difference);
  } else if (verdict.other.empty()) {
    fmt::print("the same bytes: {} frames{}{}\n", verdict.frames,
               original.result.images_blob ? ", images.zip" : "",
               original.result.video_blob ? ", video.mp4" : "");
  } else {
    fmt::print(
        "the same within tolerance: {} frames, by labels, places (overlap 0.9) and "
        "confidences (0.02); images are not compared\n",
        verdict.frames);
  }
}

int replay(const ReplayOptions& options) {
  const auto id = JobId::parse(options.job);
  if (!id) {
    throw std::runtime_error(options.job + " is no job's id");
  }
  const Config config = load_settings();
  const Database database{config};
  app::App app{config, database.conninfo(), known_migrations(config, kMigrations)};
  const ScratchFolder scratch;
  LocalRunOptions run;
  run.video = scratch.path() / "video";
  run.out = options.out.empty() ? scratch.path() / "out" : fs::path{options.out};
  run.report = LocalRunOptions::Report::none;
  run.keep_frames = true;
  std::optional<Original> original;
  run_on(app, [&]() -> asio::awaitable<void> {
    original = co_await find_original(app, *id);
    co_await copy_blob(app, original->video.file, original->video.size, run.video);
  });
  run.params = original->job.params.as_object();
  const auto head = run_locally(run, config, app.models);
  Verdict verdict;
  run_on(app, [&]() -> asio::awaitable<void> {
    verdict = co_await compare(app, *original, run.out, head);
  });
  std::error_code ignored;
  fs::remove(run.out / kFramesFile, ignored);
  print(verdict, *original, options.as_json);
  return verdict.difference ? 1 : 0;
}

}  // namespace

void add_replay_command(CLI::App& app, int& status) {
  auto* command = add_command(
      app, "replay",
      "Run a completed job again on this machine, without charge, and compare what comes out with "
      "its result; the status is 1 if it differs");
  auto options = std::make_shared<ReplayOptions>();
  command->add_option("JOB", options->job, "Its id")->required();
  command->add_option("--out", options->out,
                      "Folder to keep what comes out in: result.json, images.zip and video.mp4");
  command->add_flag("--json", options->as_json, "For programs");
  command->callback([&status, options] { status = replay(*options); });
}

}  // namespace infernode::cli
