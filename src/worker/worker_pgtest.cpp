// Goal: a worker works jobs off as they are, gives back what it cannot finish, lets no runner serve
// two users, and believes no runner that makes no sense.
// Method: the real worker, runner, clip and model on a database of their own.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "inference/model_catalogue.hpp"
#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "results/frame_stream.hpp"
#include "testing/file_source.hpp"
#include "testing/services.hpp"
#include "testing/test_server.hpp"
#include "worker/worker.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

// Children of this process, by the name that they were started with.
std::set<pid_t> runners() {
  std::set<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    std::ifstream status{entry.path() / "status"};
    const std::string text{std::istreambuf_iterator<char>{status}, {}};
    std::ifstream line{entry.path() / "cmdline"};
    const std::string command{std::istreambuf_iterator<char>{line}, {}};
    if (text.find("\nPPid:\t" + std::to_string(getpid()) + "\n") != std::string::npos &&
        text.find("\nState:\tZ") == std::string::npos &&
        command.find("infernode") != std::string::npos &&
        command.find("runner") != std::string::npos) {
      found.insert(std::stoi(name));
    }
  }
  return found;
}

class AtWork : public testing::Test {
protected:
  // A clip of the example's first frames, and a user who has it.
  MadeJob upload(int frames = 120) {
    MadeJob made;
    made.user = services_.make_user();
    made.dataset = services_.make_dataset(made.user);
    made.video = services_.make_video(made.dataset, frames, read_file(kClip.string()));
    // The stream starts at its first keyframe; the factory's others are not this clip's.
    services_.database.sql("UPDATE \"Videos\" SET keyframes = '[[0,0,0]]'");
    return made;
  }
  Worker& add_worker() {
    WorkerSettings settings;
    settings.info = services_.worker;
    settings.info.id = WorkerId::random();
    settings.model_folder = INFERNODE_MODELS;
    settings.threads = 2;
    settings.energy.grid = {475, "test"};
    const WorkerServices parts{services_.segments, services_.assembler, services_.blobs,
                               services_.pipelines, models_};
    workers_.push_back(
        std::make_unique<Worker>(services_.database.context().get_executor(), parts, settings));
    asio::co_spawn(services_.database.context(), workers_.back()->run(),
                   [this](const std::exception_ptr& error) {
                     EXPECT_FALSE(error);
                     ++stopped_;
                   });
    return *workers_.back();
  }
  void wait_until(const std::function<bool()>& done) {
    services_.database.run([&]() -> asio::awaitable<void> {
      asio::steady_timer timer{services_.database.context()};
      for (int i = 0; i < 6000 && !done(); ++i) {
        timer.expires_after(std::chrono::milliseconds{10});
        co_await timer.async_wait(asio::use_awaitable);
      }
      EXPECT_TRUE(done());
    });
  }
  std::string status(const MadeJob& made) {
    return services_.database.value("SELECT status FROM \"InferenceJobs\" WHERE id = '" +
                                    made.job.to_string() + "'");
  }
  void wait_for_end(const MadeJob& made) {
    wait_until([&] {
      const auto now = status(made);
      return now != "PENDING" && now != "RUNNING";
    });
  }
  void stop_workers() {
    for (auto& worker : workers_) {
      worker->stop();
    }
    wait_until([&] { return stopped_ == static_cast<int>(workers_.size()); });
  }
  json::value head(const MadeJob& made) {
    return json::parse(
        services_.database.value("SELECT json_res FROM \"Results\" WHERE \"inferenceJob_id\" = '" +
                                 made.job.to_string() + "'"));
  }
  // What a result keeps in one of its blobs.
  std::vector<std::byte> bytes(const MadeJob& made, const std::string& column) {
    const auto blob =
        BlobId::parse(services_.database.value("SELECT \"" + column +
                                               "\" FROM \"Results\" WHERE \"inferenceJob_id\" = '" +
                                               made.job.to_string() + "'"))
            .value();
    std::vector<std::byte> all;
    services_.database.run([&]() -> asio::awaitable<void> {
      for (;;) {
        const auto some =
            co_await services_.blobs.read(blob, static_cast<std::int64_t>(all.size()), 1 << 20);
        if (some.empty()) {
          break;
        }
        all.insert(all.end(), some.begin(), some.end());
      }
    });
    return all;
  }
  std::string bytes_hash(const MadeJob& made, const std::string& column) {
    Sha256 sha;
    sha.update(bytes(made, column));
    const auto digest = sha.finish();
    return hex(digest);
  }

  std::vector<json::value> frames(const MadeJob& made) {
    const auto blob =
        BlobId::parse(services_.database.value(
                          "SELECT frames FROM \"Results\" WHERE \"inferenceJob_id\" = '" +
                          made.job.to_string() + "'"))
            .value();
    std::vector<json::value> all;
    services_.database.run([&]() -> asio::awaitable<void> {
      FrameStream stream{[&](std::int64_t offset, std::size_t max_bytes) {
        return services_.blobs.read(blob, offset, max_bytes);
      }};
      while (const auto frame = co_await stream.next()) {
        all.push_back(json::parse(*frame));
      }
    });
    return all;
  }

  Services services_;
  inference::ModelCatalogue models_ = inference::load_catalogue(INFERNODE_MODELS);
  std::vector<std::unique_ptr<Worker>> workers_;
  int stopped_ = 0;
};

// Objects keep their numbers over segments, whoever worked on these, and the images show them; a
// worker that ends in the middle of it leaves it to the next.
TEST_F(AtWork, TracksGoThroughAllSegments) {
  auto made = upload();
  const json::object params{{"track", true}, {"frame_step", 2}, {"classes", {"person"}}};
  made.job = services_.make_job_of(made.user, made.video, params);
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  const auto alone = made;
  EXPECT_GE(head(made).at_pointer("/summary/tracks/person").as_int64(), 4);
  EXPECT_EQ(head(made).at("images").as_int64(), 60);
  const auto objects = frames(made);
  ASSERT_EQ(objects.size(), 60U);
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> seen;  // first and last frame
  for (const auto& frame : objects) {
    for (const auto& object : frame.at("objects").as_array()) {
      if (const auto* id = object.as_object().if_contains("track_id")) {
        const auto number = frame.at("frame").as_int64();
        seen.emplace(id->as_int64(), std::pair{number, number}).first->second.second = number;
      }
    }
  }
  // Some person is there from the first segment to the last.
  EXPECT_TRUE(std::any_of(seen.begin(), seen.end(), [](const auto& track) {
    return track.second.first < 10 && track.second.second > 100;
  }));
  made.job = services_.make_job_of(made.user, made.video, params);
  add_worker();
  for (auto& worker : workers_) {
    worker->wake();
  }
  wait_for_end(made);
  for (const char* column : {"frames", "image_zip", "image_index"}) {
    EXPECT_EQ(bytes_hash(made, column), bytes_hash(alone, column)) << column;
  }
  stop_workers();
  // Nothing is left of what the segments stored; all that is stored is the video's and the
  // results'.
  services_.database.run([&]() -> asio::awaitable<void> { co_await services_.blobs.sweep(); });
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Blobs\""), "7");
  services_.expect_sound_money();
}

// What a job found is drawn again without inference and without charge: as it was, with more
// confidence, and once the job is gone.
TEST_F(AtWork, JobsAreDrawnAgain) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video, {{"frame_step", 2}});
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  const auto tokens = services_.database.value("SELECT sum(tokens) FROM \"Users\"");
  const auto draw = [&](const MadeJob& drawn, json::object changes) {
    auto again = drawn;
    again.job = services_.redraw(drawn, std::move(changes));
    workers_.front()->wake();
    wait_for_end(again);
    return again;
  };
  const auto same = draw(made, {});
  ASSERT_EQ(status(same), "COMPLETED");
  for (const char* column : {"frames", "image_zip", "image_index"}) {
    EXPECT_EQ(bytes_hash(same, column), bytes_hash(made, column)) << column;
  }
  EXPECT_EQ(head(same).at("summary"), head(made).at("summary"));
  EXPECT_EQ(head(same).at_pointer("/provenance/model_sha256"),
            head(made).at_pointer("/provenance/model_sha256"));
  EXPECT_EQ(head(same).at_pointer("/params/redraw/job_id").as_string(), made.job.to_string());
  EXPECT_EQ(services_.database.value("SELECT sum(tokens) FROM \"Users\""), tokens);

  const auto sure = draw(same, {{"confidence", 0.5}, {"images", false}});  // of one drawn again
  ASSERT_EQ(status(sure), "COMPLETED");
  std::map<std::int64_t, std::size_t> expected;
  for (const auto& frame : frames(made)) {
    for (const auto& object : frame.at("objects").as_array()) {
      expected[frame.at("frame").as_int64()] +=
          object.at("confidence").to_number<double>() >= 0.5 ? 1 : 0;
    }
  }
  std::size_t objects = 0;
  for (const auto& frame : frames(sure)) {
    EXPECT_EQ(frame.at("objects").as_array().size(), expected[frame.at("frame").as_int64()]);
    objects += frame.at("objects").as_array().size();
  }
  EXPECT_GT(objects, 0U);
  EXPECT_EQ(head(sure).at_pointer("/summary/objects").as_int64(),
            static_cast<std::int64_t>(objects));
  EXPECT_LT(head(sure).at_pointer("/summary/objects").as_int64(),
            head(made).at_pointer("/summary/objects").as_int64());
  EXPECT_THROW(services_.redraw(sure, {{"confidence", 0.4}}), std::runtime_error);
  const auto cars = draw(made, {{"classes", {"car"}}, {"images", false}});
  EXPECT_EQ(head(cars).at_pointer("/summary/labels").as_object().size(), 1U);
  EXPECT_THROW(services_.redraw(cars, {{"classes", {"person"}}}), std::runtime_error);
  EXPECT_THROW(services_.redraw(cars, {{"classes", json::array{}}}), std::runtime_error);
  EXPECT_THROW(services_.redraw(sure, {{"device", "cpu"}, {"frames", 1}}), std::runtime_error);
  stop_workers();

  auto orphan = made;
  orphan.job = services_.redraw(made, {});
  services_.database.sql("DELETE FROM \"InferenceJobs\" WHERE id = '" + made.job.to_string() + "'");
  add_worker();
  wait_for_end(orphan);
  EXPECT_EQ(status(orphan), "FAILED");
  EXPECT_EQ(services_.database.value("SELECT error FROM \"InferenceJobs\" WHERE id = '" +
                                     orphan.job.to_string() + "'"),
            "The job that it draws again was deleted.");
  stop_workers();
  services_.expect_sound_money();
}

// Who enters and crosses what is counted from the tracks that are stored.
TEST_F(AtWork, ZonesAreCountedFromStoredTracks) {
  auto made = upload();
  const json::array zones{
      json::object{{"name", "all"}, {"polygon", {{0, 0}, {768, 0}, {768, 576}, {0, 576}}}},
      json::object{{"name", "middle"}, {"line", {{384, 0}, {384, 576}}}}};
  made.job = services_.make_job_of(made.user, made.video,
                                   {{"track", true}, {"frame_step", 2}, {"zones", zones}});
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  // Whoever is tracked is in the picture, and enters it once.
  const auto summary = head(made).at("summary");
  EXPECT_EQ(summary.at_pointer("/zones/all/person/entered"), summary.at_pointer("/tracks/person"));
  EXPECT_GT(summary.at_pointer("/zones/all/person/dwell_seconds").to_number<double>(), 10);
  EXPECT_TRUE(summary.at_pointer("/zones/middle").is_object());
  EXPECT_GE(frames(made).back().at_pointer("/zones/all/inside").as_int64(), 4);
  // The same zones again, over what was stored without.
  auto plain = made;
  plain.job = services_.make_job_of(made.user, made.video, {{"track", true}, {"frame_step", 2}});
  workers_.front()->wake();
  wait_for_end(plain);
  EXPECT_THROW(services_.redraw(plain, {{"zones", {{{"name", "a"}}}}}), std::runtime_error);
  auto again = plain;
  again.job = services_.redraw(plain, {{"zones", zones}});
  workers_.front()->wake();
  wait_for_end(again);
  ASSERT_EQ(status(again), "COMPLETED");
  for (const char* column : {"frames", "image_zip"}) {
    EXPECT_EQ(bytes_hash(again, column), bytes_hash(made, column)) << column;
  }
  EXPECT_EQ(head(again).at_pointer("/summary/zones"), summary.at("zones"));
  EXPECT_EQ(head(again).at_pointer("/summary/labels"), summary.at("labels"));
  stop_workers();
  services_.expect_sound_money();
}

// What is to be hidden is hidden the same way with the job and afterwards; where it was not
// followed it cannot be.
TEST_F(AtWork, WhatIsFoundIsHidden) {
  auto made = upload();
  made.job = services_.make_job_of(
      made.user, made.video,
      {{"classes", {"person"}}, {"anonymize", "fill"}, {"video", true}, {"end_frame", 60}});
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  EXPECT_GT(head(made).at_pointer("/summary/anonymized/frames_beside_hits").as_int64(), 0);
  EXPECT_GE(head(made).at_pointer("/summary/anonymized/frames_between_hits").as_int64(), 0);
  auto plain = made;
  plain.job = services_.make_job_of(
      made.user, made.video,
      {{"classes", {"person"}}, {"track", true}, {"images", false}, {"end_frame", 60}});
  workers_.front()->wake();
  wait_for_end(plain);
  auto drawn = plain;
  drawn.job = services_.redraw(plain, {{"anonymize", "fill"}, {"images", true}, {"video", true}});
  workers_.front()->wake();
  wait_for_end(drawn);
  ASSERT_EQ(status(drawn), "COMPLETED");
  for (const char* column : {"frames", "image_zip", "video"}) {
    EXPECT_EQ(bytes_hash(drawn, column), bytes_hash(made, column)) << column;
  }
  auto shown = made;  // and the other way round
  shown.job = services_.redraw(made, {{"anonymize", "none"}, {"images", false}, {"video", false}});
  workers_.front()->wake();
  wait_for_end(shown);
  EXPECT_EQ(bytes_hash(shown, "frames"), bytes_hash(plain, "frames"));
  auto untracked = made;
  untracked.job =
      services_.make_job_of(made.user, made.video, {{"images", false}, {"end_frame", 10}});
  workers_.front()->wake();
  wait_for_end(untracked);
  EXPECT_THROW(services_.redraw(untracked, {{"anonymize", "fill"}}), std::runtime_error);
  stop_workers();
  EXPECT_THROW(services_.make_job_of(made.user, made.video,
                                     {{"anonymize", "fill"}, {"video", true}, {"frame_step", 2}}),
               std::runtime_error);
}

// The annotated video shows each selected frame at its time, the same bytes whether it is made with
// the job or drawn afterwards, and goes with its job.
TEST_F(AtWork, AnnotatedVideosShowFramesAtTheirTimes) {
  auto made = upload();
  made.job = services_.make_job_of(
      made.user, made.video,
      {{"frame_step", 3}, {"start_frame", 6}, {"images", false}, {"video", true}});
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  MemorySource source{bytes(made, "video")};
  const auto info = media::probe(source);
  EXPECT_EQ(info.codec, "h264");
  EXPECT_EQ(info.width, 768);
  EXPECT_EQ(info.height, 576);
  EXPECT_TRUE(info.warnings.empty());
  const auto stored = frames(made);
  EXPECT_EQ(info.frame_count, static_cast<int>(stored.size()));
  media::FrameReader reader{source, std::nullopt};
  const double first = stored.front().at("time").to_number<double>();
  for (const auto& frame : stored) {
    const auto shown = reader.next();
    ASSERT_TRUE(shown);
    EXPECT_NEAR(shown->time, frame.at("time").to_number<double>() - first, 2e-3);
  }
  auto plain = made;
  plain.job = services_.make_job_of(made.user, made.video,
                                    {{"frame_step", 3}, {"start_frame", 6}, {"images", false}});
  workers_.front()->wake();
  wait_for_end(plain);
  EXPECT_EQ(bytes_hash(plain, "frames"), bytes_hash(made, "frames"));
  EXPECT_EQ(head(plain).at("summary"), head(made).at("summary"));
  auto drawn = plain;
  drawn.job = services_.redraw(plain, {{"video", true}});
  workers_.front()->wake();
  wait_for_end(drawn);
  EXPECT_EQ(bytes_hash(drawn, "video"), bytes_hash(made, "video"));
  stop_workers();
  const auto stored_bytes = [&] {
    return services_.database.value("SELECT coalesce(sum(bytes), 0) FROM \"StorageEntries\"");
  };
  EXPECT_EQ(stored_bytes(),
            services_.database.value("SELECT sum(size) FROM \"Blobs\" WHERE expires_at IS NULL"));
  // Nothing is left once they are deleted but the video that they were made of.
  services_.database.sql("DELETE FROM \"InferenceJobs\"");
  services_.database.run([&]() -> asio::awaitable<void> { co_await services_.blobs.sweep(); });
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Blobs\""), "1");
}

// What came with this version is left to workers that know it, as long as others are at work.
TEST_F(AtWork, OlderWorkersAreNotGivenWhatTheyWouldLeaveOut) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video, {{"end_frame", 4}});
  const auto needs = [&] {
    return services_.database.value(
        "SELECT min(lane.needs[1]) || ' ' || max(lane.needs[1]) FROM \"Segments\" AS segment JOIN "
        "\"Lanes\" "
        "AS "
        "lane ON lane.id = segment.lane WHERE job_id = '" +
        made.job.to_string() + "'");
  };
  EXPECT_EQ(needs(), "pipeline:detect pipeline:detect");
  made.job = services_.make_job_of(made.user, made.video, {{"end_frame", 4}, {"track", true}});
  EXPECT_EQ(needs(), "pipeline:detect pipeline:detect");
  made.job = services_.make_job_of(made.user, made.video, {{"end_frame", 4}, {"video", true}});
  EXPECT_EQ(needs(), "pipeline:detect@2 pipeline:detect@2");
}

// Two workers on one video make the bytes that one makes; the result says what all of them used.
TEST_F(AtWork, TwoWorkersMakeTheBytesThatOneMakes) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video, {{"frame_step", 2}});
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  const auto alone = made;
  made.job = services_.make_job_of(made.user, made.video, {{"frame_step", 2}});
  add_worker();
  for (auto& worker : workers_) {
    worker->wake();
  }
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  for (const char* column : {"frames", "image_zip", "image_index"}) {
    EXPECT_EQ(bytes_hash(made, column), bytes_hash(alone, column)) << column;
  }
  const auto provenance = head(made).at("provenance");
  EXPECT_EQ(text(provenance, "model_sha256"), models_.find("centernet")->sha256);
  EXPECT_EQ(provenance.at("providers").as_array().size(), 1U);
  EXPECT_FALSE(provenance.at("processors").as_array().empty());
  EXPECT_TRUE(text(provenance, "runtime").starts_with("onnxruntime "));
  stop_workers();
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Workers\""), "0");
  services_.expect_sound_money();
}

// A runner has seen one user's bytes, and may have been taken over by them: it serves nobody else.
TEST_F(AtWork, ARunnerServesOneUserOnly) {
  auto first = upload(20);
  first.job = services_.make_job_of(first.user, first.video, {{"end_frame", 4}});
  add_worker();
  wait_for_end(first);
  const auto before = runners();
  auto same = first;
  same.job = services_.make_job_of(first.user, first.video, {{"end_frame", 4}});
  workers_.front()->wake();
  wait_for_end(same);
  auto second = upload(20);
  second.job = services_.make_job_of(second.user, second.video, {{"end_frame", 4}});
  workers_.front()->wake();
  wait_for_end(second);
  ASSERT_EQ(status(second), "COMPLETED");
  const auto after = runners();
  // The first user's is gone; one of the two before (the spare) may serve the second.
  int kept = 0;
  for (const pid_t pid : before) {
    kept += after.contains(pid) ? 1 : 0;
  }
  EXPECT_LE(kept, 1);
  stop_workers();
}

// A6, too: with the largest step nothing overflows.
TEST_F(AtWork, TheLargestStepSelectsOneFrame) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video,
                                   {{"frame_step", 2147483647}, {"start_frame", 3}});
  add_worker();
  wait_for_end(made);
  EXPECT_EQ(status(made), "COMPLETED");
  EXPECT_EQ(integer(head(made).at("accounting"), "processed"), 1);
  stop_workers();
}

TEST_F(AtWork, AStoppedWorkerGivesItsSegmentBack) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video);
  add_worker();
  wait_until([&] {
    return services_.database.value(
               "SELECT coalesce(max(progress), 0) > 0 FROM \"Segments\" WHERE state = 'LEASED'") ==
           "t";
  });
  stop_workers();
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Segments\" WHERE state = 'LEASED'"),
            "0");
  EXPECT_EQ(
      services_.database.value("SELECT max(attempts) FROM \"Segments\" WHERE state <> 'DONE'"),
      "0");
  add_worker();
  wait_for_end(made);
  EXPECT_EQ(status(made), "COMPLETED");
  EXPECT_EQ(
      services_.database.value("SELECT max(attempts) FROM \"Segments\" WHERE kind = 'FRAMES'"),
      "1");
  stopped_ = 0;
  workers_.erase(workers_.begin());
  stop_workers();
  services_.expect_sound_money();
}

// A database that goes away for a moment costs time, and no attempt.
TEST_F(AtWork, CutConnectionsCostNoAttempt) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video);
  add_worker();
  for (int i = 0; i < 3; ++i) {
    wait_until([&, cuts = 0]() mutable { return ++cuts > 60; });
    services_.database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    services_.database.pass_time(std::chrono::seconds{16});  // whatever lease was lost is over
    workers_.front()->wake();
  }
  wait_until([&] {
    workers_.front()->wake();
    return status(made) == "COMPLETED";
  });
  EXPECT_EQ(
      services_.database.value("SELECT max(attempts) FROM \"Segments\" WHERE kind = 'FRAMES'"),
      "1");
  stop_workers();
  services_.expect_sound_money();
}

// A runner that dies costs one attempt, and the next segment gets another runner.
TEST_F(AtWork, ARunnerThatDiesCostsOneAttempt) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video);
  add_worker();
  wait_until([&] {
    return services_.database.value(
               "SELECT coalesce(max(progress), 0) > 0 FROM \"Segments\" WHERE state = 'LEASED'") ==
           "t";
  });
  for (const pid_t pid : runners()) {
    kill(pid, SIGKILL);
  }
  wait_until([&] {
    return services_.database.value("SELECT count(*) FROM \"Segments\" WHERE error IS NOT NULL") !=
           "0";
  });
  services_.database.pass_time(std::chrono::seconds{3});
  workers_.front()->wake();
  wait_for_end(made);
  EXPECT_EQ(status(made), "COMPLETED");
  EXPECT_EQ(
      services_.database.value("SELECT max(attempts) FROM \"Segments\" WHERE kind = 'FRAMES'"),
      "2");
  stop_workers();
}

// A full disk pauses the worker; it says so, and goes on when there is room again.
// C6: what a library or the runner says of a fault of ours is for the log.
TEST_F(AtWork, AnInternalFaultIsNotToldInItsOwnWords) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video);
  services_.database.sql("DELETE FROM \"BlobParts\"");  // so its bytes cannot be read
  add_worker();
  wait_until([&] {
    return services_.database.value(
               "SELECT count(*) > 0 FROM \"Segments\" WHERE \"error\" IS NOT NULL") == "t";
  });
  EXPECT_EQ(services_.database.value("SELECT max(\"error\") FROM \"Segments\""),
            "An internal fault; the server's log names it.");
  stop_workers();
}

TEST_F(AtWork, AFullDiskPausesTheQueue) {
  class FullChunks : public PostgresChunks {
  public:
    using PostgresChunks::PostgresChunks;
    asio::awaitable<void> put(ChunkId id, std::vector<std::byte> bytes) override {
      if (full) {
        throw db::DiskFull("No space left on device");
      }
      co_await PostgresChunks::put(id, std::move(bytes));
    }
    bool full = true;
  };
  auto made = upload(20);
  made.job = services_.make_job_of(made.user, made.video, {{"end_frame", 4}});
  FullChunks chunks{services_.pool};
  BlobStore blobs{services_.pool, chunks};
  WorkerSettings settings;
  settings.info = services_.worker;
  settings.model_folder = INFERNODE_MODELS;
  settings.energy.grid = {475, "test"};
  const WorkerServices parts{services_.segments, services_.assembler, blobs, services_.pipelines,
                             models_};
  workers_.push_back(
      std::make_unique<Worker>(services_.database.context().get_executor(), parts, settings));
  asio::co_spawn(services_.database.context(), workers_.back()->run(),
                 [this](const std::exception_ptr&) { ++stopped_; });
  wait_until([&] {
    return services_.database.value("SELECT count(*) FROM \"Workers\" WHERE paused IS NOT NULL") ==
           "1";
  });
  EXPECT_EQ(services_.find(made).waiting.value().reason, WaitingFor::disk);
  chunks.full = false;
  services_.database.run([&]() -> asio::awaitable<void> { co_await blobs.try_room(); });
  services_.database.pass_time(std::chrono::seconds{3});
  workers_.front()->wake();
  wait_for_end(made);
  EXPECT_EQ(status(made), "COMPLETED");
  EXPECT_EQ(
      services_.database.value("SELECT max(attempts) FROM \"Segments\" WHERE kind = 'FRAMES'"),
      "1");
  stop_workers();
}

}  // namespace
}  // namespace infernode::test
