// Goal: a result is whole and right, however often its assembly is interrupted, and reading one
// image costs the same whatever the number of segments. Method: the real services; an assembly
// stopped after each step, by a lost lease or by dying; every image of the ZIP compared with the
// index.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/process.hpp"
#include "testing/services.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

class Assembly : public testing::Test {
protected:
  // A job whose segments of frames are done; returns its ASSEMBLY segment, claimed.
  ClaimedSegment prepare(int frame_count, boost::json::object params = {}) {
    made_ = services_.make_job({frame_count, std::move(params), "10000"});
    for (;;) {
      auto segment = services_.claim().value();
      if (segment.kind == SegmentKind::assembly) {
        return segment;
      }
      EXPECT_TRUE(services_.complete(segment));
    }
  }
  // Stops between two steps, the number of times that `steps` says.
  bool run(const ClaimedSegment& segment, int steps) {
    bool done = false;
    services_.database.run([&]() -> asio::awaitable<void> {
      FormerSegments former{{475, "test"}, ""};
      std::function<bool()> stopping = [&] { return steps-- <= 0; };
      done = co_await services_.assembler.run(segment, std::move(former), std::move(stopping), {});
    });
    return done;
  }
  std::vector<std::byte> content(const std::string& column) {
    const auto blob =
        BlobId::parse(services_.database.value("SELECT \"" + column + "\" FROM \"Results\""))
            .value();
    std::vector<std::byte> all;
    services_.database.run([&]() -> asio::awaitable<void> {
      for (;;) {
        const auto bytes =
            co_await services_.blobs.read(blob, static_cast<std::int64_t>(all.size()), 1 << 20);
        if (bytes.empty()) {
          break;
        }
        all.insert(all.end(), bytes.begin(), bytes.end());
      }
    });
    EXPECT_EQ(std::to_string(all.size()),
              services_.database.value("SELECT size FROM \"Blobs\" WHERE id = '" +
                                       blob.to_string() + "'"));
    return all;
  }
  Result<std::vector<std::byte>> image(int frame) {
    Result<std::vector<std::byte>> found = Error{ErrorCode::malformed, ""};
    services_.database.run([&]() -> asio::awaitable<void> {
      found = co_await services_.results.image(made_.user, made_.job, frame);
    });
    return found;
  }
  void expect_sound_zip(int images) {
    TemporaryFolder folder;
    const auto file = folder.path() / "images.zip";
    const auto bytes = content("image_zip");
    std::ofstream{file, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                static_cast<std::streamsize>(bytes.size()));
    const auto tested = run_process({"unzip", "-tq", file.string()});
    EXPECT_EQ(tested.status, 0) << tested.output;
    const auto listed = run_process({"unzip", "-Z1", file.string()});
    EXPECT_EQ(std::count(listed.output.begin(), listed.output.end(), '\n'), images);
  }
  // Nothing is left of the way to the result.
  void expect_nothing_left() {
    services_.database.pass_time(std::chrono::minutes{61});
    services_.database.run([&]() -> asio::awaitable<void> { co_await services_.blobs.sweep(); });
    EXPECT_EQ(services_.database.value(R"(SELECT count(*) FROM "Blobs" AS b
        WHERE NOT EXISTS (SELECT FROM "Videos" WHERE file = b.id)
          AND NOT EXISTS (SELECT FROM "Results" WHERE b.id IN (image_zip, frames, image_index)))"),
              "0");
    EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Chunks\""),
              services_.database.value("SELECT count(*) FROM \"BlobParts\""));
    EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Assemblies\""), "0");
  }

  Services services_;
  MadeJob made_;
};

TEST_F(Assembly, MakesAWholeResult) {
  const auto segment = prepare(400);
  EXPECT_TRUE(run(segment, 1000));
  EXPECT_EQ(services_.find(made_).status, JobStatus::completed);
  expect_sound_zip(400);
  for (const int frame : {0, 1, 63, 64, 65, 250, 399}) {
    const auto found = image(frame);
    ASSERT_TRUE(found) << frame;
    EXPECT_EQ(*found, std::vector<std::byte>(10, static_cast<std::byte>(frame)));
  }
  EXPECT_EQ(image(400).error().code, ErrorCode::not_found);
  expect_nothing_left();
  services_.expect_sound_money();
}

TEST_F(Assembly, OfAJobWithoutImagesHasNone) {
  const auto segment = prepare(200, {{"images", false}, {"frame_step", 3}});
  EXPECT_TRUE(run(segment, 1000));
  EXPECT_EQ(services_.database.value(R"(SELECT image_zip IS NULL AND image_index IS NULL
                                          AND frames IS NOT NULL FROM "Results")"),
            "t");
  EXPECT_EQ(image(3).error().code, ErrorCode::not_found);
  expect_nothing_left();
}

// Frames that were passed over have no image; the search finds its way between them.
TEST_F(Assembly, FindsImagesBetweenFramesThatHaveNone) {
  const auto segment = prepare(4000, {{"frame_step", 3}});
  EXPECT_TRUE(run(segment, 1000));
  for (const int frame : {0, 3, 1500, 2997, 3999}) {
    EXPECT_TRUE(image(frame)) << frame;
  }
  for (const int frame : {1, 2, 1501, 3998, 4001, 2'000'000'000}) {
    EXPECT_EQ(image(frame).error().code, ErrorCode::not_found) << frame;
  }
}

// The process dies after any number of steps: whoever claims the segment next goes on, and the
// bytes are the same.
TEST_F(Assembly, GoesOnWhereItWasInterrupted) {
  const auto calm = prepare(17'000);
  EXPECT_TRUE(run(calm, 1000));
  const auto zip = content("image_zip");
  const auto frames = content("frames");
  services_.database.sql("DELETE FROM \"Users\"");
  auto segment = prepare(17'000);
  int interruptions = 0;
  while (!run(segment, 1)) {
    ASSERT_LT(++interruptions, 20);
    // What a step wrote that did not come to its end is in the way of nobody.
    services_.database.sql(R"(INSERT INTO "BlobParts" SELECT directory_blob, directory_size, 5,
                                gen_random_uuid() FROM "Assemblies")");
    services_.database.pass_time(std::chrono::seconds{16});
    segment = services_.claim().value();
    EXPECT_EQ(segment.kind, SegmentKind::assembly);
  }
  EXPECT_GE(interruptions, 1);
  EXPECT_EQ(content("image_zip"), zip);
  EXPECT_EQ(content("frames"), frames);
  services_.expect_sound_money();
}

// A step by somebody who lost the lease changes nothing.
TEST_F(Assembly, IsFencedByItsLease) {
  const auto stale = prepare(400);
  services_.database.pass_time(std::chrono::seconds{16});
  const auto segment = services_.claim().value();
  EXPECT_FALSE(run(stale, 1000));
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Assemblies\""), "0");
  EXPECT_TRUE(run(segment, 1000));
  expect_sound_zip(400);
}

TEST_F(Assembly, OfAnAbortedJobLeavesNothing) {
  const auto segment = prepare(17'000);
  EXPECT_FALSE(run(segment, 1));
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto aborted = co_await services_.jobs.abort(made_.user, made_.job);
    EXPECT_TRUE(aborted);
    co_await services_.clearing.free_outputs();
  });
  EXPECT_FALSE(run(segment, 1000));
  services_.database.pass_time(std::chrono::minutes{61});
  services_.database.run([&]() -> asio::awaitable<void> { co_await services_.blobs.sweep(); });
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Blobs\""), "1");  // the video
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Chunks\""), "1");
  services_.expect_sound_money();
}

TEST_F(Assembly, WithoutASingleFrameFailsTheJob) {
  made_ = services_.make_job({.frame_count = 60});
  const auto frames = services_.claim().value();
  SegmentOutcome nothing;
  nothing.failed = 60;
  nothing.details = {{"joules", 1.0},
                     {"grams", 0.1},
                     {"grid_source", "g"},
                     {"grid_g_per_kwh", 475.0},
                     {"reasons", {{"not_decodable", 60}}},
                     {"models", boost::json::array{}}};
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto kept = co_await services_.segments.complete(frames, nothing);
    EXPECT_TRUE(kept);
  });
  EXPECT_FALSE(run(services_.claim().value(), 1000));
  const auto job = services_.find(made_);
  EXPECT_EQ(job.status, JobStatus::failed);
  EXPECT_EQ(job.error, "Not one of the selected frames could be decoded.");
  EXPECT_EQ(job.cost.to_string(), "0.000");
  services_.expect_sound_money();
}

// One frame in twenty fails: too many for a job that allows none, not for one that allows a tenth.
TEST_F(Assembly, AsManyFramesMayFailAsTheJobSays) {
  for (const double budget : {0.0, 0.04, 0.05, 0.1, 1.0}) {
    made_ = services_.make_job({.frame_count = 60});
    const auto job = services_.make_job_of(made_.user, made_.video, {{"max_failed", budget}});
    services_.database.run([&]() -> asio::awaitable<void> {
      const auto aborted = co_await services_.jobs.abort(made_.user, made_.job);
      EXPECT_TRUE(aborted);
    });
    made_.job = job;
    const auto frames = services_.claim().value();
    auto outcome = services_.outcome_of(frames, 100);
    outcome.processed -= 3;
    outcome.failed = 3;
    outcome.details["reasons"] = boost::json::object{{"not_decodable", 3}};
    services_.database.run([&]() -> asio::awaitable<void> {
      const auto kept = co_await services_.segments.complete(frames, outcome);
      EXPECT_TRUE(kept);
    });
    const bool enough = budget >= 0.05;
    EXPECT_EQ(run(services_.claim().value(), 1000), enough) << budget;
    const auto found = services_.find(made_);
    EXPECT_EQ(found.status, enough ? JobStatus::completed : JobStatus::failed) << budget;
    EXPECT_EQ(found.cost.to_string(), enough ? "0.114" : "0.000") << budget;
    if (!enough) {
      EXPECT_EQ(found.error, fmt::format("3 of 60 selected frames could not be decoded, more than "
                                         "max_failed ({:g}) allows.",
                                         budget));
    }
  }
  services_.expect_sound_money();
}

}  // namespace
}  // namespace infernode::test
