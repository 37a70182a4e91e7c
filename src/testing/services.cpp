#include "testing/services.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/embedded.hpp"
#include "results/result_recorder.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

constexpr int kLeaseSeconds = 15;
constexpr int kKeepSeconds = 3600;

inference::Model model() {
  inference::Model made;
  made.name = "centernet";
  made.pipeline = "detect";
  made.labels = {"person", "car"};
  made.sha256 = std::string(64, 'a');
  return made;
}

class BlobSink : public ByteSink {
public:
  explicit BlobSink(BlobStore& blobs) : writer{blobs} {}
  asio::awaitable<void> write(std::vector<std::byte> bytes) override {
    co_await writer.write(std::move(bytes));
  }
  BlobWriter writer;
};

}  // namespace

Services::Services(int connections)
    : database{connections},
      models{{model()}},
      datasets{pool, audit,
               [this](db::Transaction& transaction, DatasetId dataset) {
                 return jobs.abort_all(transaction, dataset);
               }},
      ingest{datasets,
             credits,
             blobs,
             storage,
             [](UserId, BlobId, std::int64_t,
                std::shared_ptr<Cancellation>) -> asio::awaitable<Result<media::MediaInfo>> {
               co_return Error{ErrorCode::invalid, "no prober here"};
             },
             [](UserId, BlobId, std::int64_t, std::shared_ptr<media::PackedFileSink>,
                std::shared_ptr<Cancellation>) -> asio::awaitable<Result<void>> {
               co_return Error{ErrorCode::invalid, "no unpacker here"};
             }},
      videos{pool, datasets, blobs,
             [this](VideoId video) { return clearing.delete_segments_of(video); }},
      jobs{pool,      videos, credits,     storage,
           pipelines, models, JobLimits{}, [this](JobId job) { return clearing.clear(job); }},
      clearing{pool, blobs, kKeepSeconds},
      segments{pool, credits, blobs, kLeaseSeconds},
      results{pool, jobs, blobs},
      assembler{segments, results, blobs, pipelines},
      worker{WorkerId::random(), "host:1:1", "host", std::string{build_version()}, {"cpu"},
             {"centernet"},      {"detect"}} {}

UserId Services::make_user(const std::string& tokens) {
  static std::atomic<int> number = 0;
  return UserId::parse(database.value(fmt::format(
                           R"(INSERT INTO "Users" ("email", "password", "tokens")
                              VALUES ('user{}@example.com', 'x', {}) RETURNING "id")",
                           ++number, tokens)))
      .value();
}

DatasetId Services::make_dataset(UserId user, const std::string& name) {
  return DatasetId::parse(database.value(fmt::format(R"(INSERT INTO "Datasets" ("user_id", "name")
                                           VALUES ('{}', '{}') RETURNING "id")",
                                                     user.to_string(), name)))
      .value();
}

VideoId Services::make_video(DatasetId dataset, int frame_count,
                             const std::vector<std::byte>& file) {
  BlobId blob;
  database.run([&]() -> asio::awaitable<void> {
    BlobWriter writer{blobs};
    co_await writer.write(file);
    co_await writer.finish();
    blob = writer.id().value();
    auto transaction = co_await pool.begin();
    Sha256 sha;
    sha.update(file);
    const auto digest = sha.finish();
    blobs.adopt(transaction, blob, static_cast<std::int64_t>(file.size()), digest);
    co_await transaction.commit();
  });
  std::string keyframes;
  for (int frame = 0; frame < frame_count; frame += 25) {
    keyframes += fmt::format("{}[{},{},{}]", keyframes.empty() ? "" : ",", frame, frame * 100,
                             frame * 100 - 200);
  }
  return VideoId::
      parse(database.value(fmt::format(
                R"(INSERT INTO "Videos" ("dataset_id", "file", "name", "frame_count", "width", "height",
                                          "fps", "duration", "codec", "keyframes")
                    VALUES ('{}', '{}', 'clip', {}, 64, 48, 25, 1, 'h264', '[{}]') RETURNING "id")",
                dataset.to_string(), blob.to_string(), frame_count, keyframes)))
          .value();
}

MadeJob Services::make_job(const JobSpec& spec) {
  MadeJob made;
  made.user = make_user(spec.tokens);
  made.dataset = make_dataset(made.user);
  made.video = make_video(made.dataset, spec.frame_count);
  made.job = make_job_of(made.user, made.video, spec.params);
  return made;
}

JobId Services::make_job_of(UserId user, VideoId video, json::object params, int priority) {
  params.emplace("pipeline", "detect");
  JobId id;
  database.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await pool.begin();
    JobRequest request{std::vector<VideoId>{video}, params, priority};
    const auto accepted = co_await jobs.create(transaction, user, std::move(request));
    if (!accepted) {
      throw std::runtime_error(accepted.error().detail);
    }
    id = accepted->jobs.front().id;
    co_await transaction.commit();
  });
  return id;
}

JobId Services::redraw(const MadeJob& drawn, json::object changes) {
  JobId id;
  database.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await pool.begin();
    const auto job = co_await jobs.redraw(transaction, drawn.user, drawn.job, std::move(changes));
    if (!job) {
      throw std::runtime_error(job.error().detail);
    }
    id = job->id;
    co_await transaction.commit();
  });
  return id;
}

std::optional<ClaimedSegment> Services::claim() {
  std::optional<ClaimedSegment> segment;
  database.run([&]() -> asio::awaitable<void> {
    co_await segments.tend_queue(worker.offers());
    segment = co_await segments.claim(worker);
  });
  return segment;
}

SegmentOutcome Services::outcome_of(const ClaimedSegment& segment, std::size_t jpeg_bytes) {
  SegmentOutcome outcome;
  const auto common = common_params(segment.params);
  database.run([&]() -> asio::awaitable<void> {
    BlobSink images{blobs};
    BlobSink frames{blobs};
    ResultRecorder recorder{images, frames};
    for (int frame = segment.plan.start_frame; frame < segment.plan.end_frame;
         frame += common.frame_step) {
      std::vector<std::byte> jpeg(common.wants_images ? jpeg_bytes : 0,
                                  static_cast<std::byte>(frame));
      co_await recorder.add(frame, fmt::format("{{\"frame\":{}}}", frame), std::move(jpeg));
    }
    co_await images.writer.finish();
    co_await frames.writer.finish();
    outcome.processed = recorder.frames();
    outcome.images_blob = images.writer.id();
    outcome.images_bytes = recorder.images_bytes();
    outcome.frames_blob = frames.writer.id();
    outcome.frames_bytes = recorder.frames_bytes();
    outcome.image_index = recorder.image_index();
  });
  outcome.joules = 2;
  outcome.grams = 0.5;
  outcome.details = {{"processed", outcome.processed},
                     {"tally", {{"person", outcome.processed}}},
                     {"reasons", json::object{}},
                     {"joules", outcome.joules},
                     {"grams", outcome.grams},
                     {"grid_source", "test"},
                     {"grid_g_per_kwh", 475.0},
                     {"energy_method", "made up"},
                     {"runtime", "runtime"},
                     {"provider", "cpu"},
                     {"processor", "processor"},
                     {"build", "build"},
                     {"models", {{{"name", "centernet"}, {"sha256", std::string(64, 'a')}}}}};
  return outcome;
}

bool Services::complete(const ClaimedSegment& segment) {
  const auto outcome = outcome_of(segment);
  bool kept = false;
  database.run([&]() -> asio::awaitable<void> {
    const auto earned = co_await segments.complete(segment, outcome);
    kept = earned.has_value();
  });
  return kept;
}

void Services::assemble(const ClaimedSegment& segment) {
  database.run([&]() -> asio::awaitable<void> {
    FormerSegments former{{475, "test"}, ""};
    std::function<bool()> stopping = [] { return false; };
    RunSequence no_sequence = [](ClaimedSegment, StoredFrames) -> asio::awaitable<SegmentOutcome> {
      throw std::logic_error("no job of these tests has its frames gone through in order");
    };
    co_await assembler.run(segment, std::move(former), std::move(stopping), std::move(no_sequence));
  });
}

void Services::work_everything_off() {
  while (const auto segment = claim()) {
    if (segment->kind == SegmentKind::frames) {
      EXPECT_TRUE(complete(*segment));
    } else {
      assemble(*segment);
    }
  }
}

Job Services::find(const MadeJob& made) {
  Job job;
  database.run([&]() -> asio::awaitable<void> {
    auto found = co_await jobs.find(made.user, made.job);
    job = std::move(found.value());
  });
  return job;
}

void Services::expect_sound_money() {
  EXPECT_EQ(database.value(R"(SELECT count(*) FROM "Users" AS u WHERE u."tokens" <>
              (SELECT sum("amount") FROM "LedgerEntries" WHERE "user_id" = u."id"))"),
            "0");
  EXPECT_EQ(database.value(R"(SELECT count(*) FROM "Holds" AS hold
              JOIN "InferenceJobs" AS job ON job."id" = hold."job_id"
              WHERE (job."finished_at" IS NULL) <> (hold."closed_at" IS NULL))"),
            "0");
  LedgerReport report;
  database.run([&]() -> asio::awaitable<void> {
    const auto connection = co_await pool.acquire();
    report = co_await check_ledger(*connection);
  });
  EXPECT_TRUE(report.sound());
}

}  // namespace infernode::test
