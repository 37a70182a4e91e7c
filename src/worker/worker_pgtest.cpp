// Goal: a worker works jobs off as they are, gives back what it cannot finish, lets no runner serve
// two users, and believes no runner that makes no sense.
// Method: the real worker, runner, clip and model on a database of their own.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/json.hpp"
#include "testing/at_work.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

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

// Two workers on one video make the bytes that one makes, with any number of threads; the result
// says what all of them used.
TEST_F(AtWork, TwoWorkersMakeTheBytesThatOneMakes) {
  auto made = upload();
  made.job = services_.make_job_of(made.user, made.video, {{"frame_step", 2}});
  add_worker(1);
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  const auto alone = made;
  made.job = services_.make_job_of(made.user, made.video, {{"frame_step", 2}});
  add_worker(3);
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
  EXPECT_NE(
      json_text(provenance.at("processors")).find(run_process({"uname", "-m"}).output.substr(0, 5)),
      std::string::npos);
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
  kill_runners();
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
  FullChunks chunks{services_.pool, services_.pool};
  BlobStore blobs{services_.pool, chunks};
  WorkerSettings settings;
  settings.info = services_.worker;
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
