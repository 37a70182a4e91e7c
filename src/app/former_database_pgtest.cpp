// Goal: a database that InferNode 0.1 made is migrated with its videos, jobs and results intact,
// and what it left unfinished is finished. Method: a dump of one (tests/data), with what was true
// of it written beside it.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <fstream>

#include "app/app.hpp"
#include "core/json.hpp"
#include "results/frame_stream.hpp"
#include "results/result_document.hpp"
#include "testing/test_database.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class FormerDatabase : public testing::Test {
protected:
  FormerDatabase() {
    std::ifstream in{INFERNODE_SOURCE_DIR "/tests/data/database-0.1.json"};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    facts_ = json::parse(text);
    config_.model_dir = INFERNODE_MODELS;
    app_ = std::make_unique<app::App>(config_, database_.conninfo(), std::vector<db::Migration>{});
    user_ =
        UserId::parse(database_.value("SELECT id FROM \"Users\" WHERE email = 'old@example.com'"))
            .value();
  }
  JobId job(const char* name) { return JobId::parse(test::text(facts_, name)).value(); }
  // Runs a coroutine in the app's own context.
  void run(std::function<asio::awaitable<void>()> body) {
    std::exception_ptr failure;
    bool done = false;
    asio::co_spawn(app_->context, body(), [&](const std::exception_ptr& error) {
      failure = error;
      done = true;
    });
    app_->context.restart();
    while (!done) {
      app_->context.run_one();
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
  }
  StoredResult result_of(JobId id) {
    StoredResult stored;
    run([&]() -> asio::awaitable<void> {
      auto found = co_await app_->results.find(user_, id);
      EXPECT_TRUE(found);
      stored = *found;
    });
    return stored;
  }
  std::string content_hash(BlobId blob) {
    Sha256 sha;
    run([&]() -> asio::awaitable<void> {
      for (std::int64_t at = 0;;) {
        const auto bytes = co_await app_->blobs.read(blob, at, 100'000);
        if (bytes.empty()) {
          break;
        }
        at += static_cast<std::int64_t>(bytes.size());
        sha.update(bytes);
      }
    });
    const auto digest = sha.finish();
    return hex(digest);
  }
  std::vector<json::value> frames_of(BlobId blob) {
    std::vector<json::value> frames;
    run([&]() -> asio::awaitable<void> {
      FrameStream stream{[&](std::int64_t offset, std::size_t most) {
        return app_->blobs.read(blob, offset, most);
      }};
      for (auto frame = co_await stream.next(); frame; frame = co_await stream.next()) {
        frames.push_back(json::parse(*frame));
      }
    });
    return frames;
  }
  void wait_for_end(JobId id) {
    run([&]() -> asio::awaitable<void> {
      asio::steady_timer timer{app_->context};
      for (int i = 0; i < 6000; ++i) {
        const auto found = co_await app_->jobs.find(user_, id);
        if (has_ended(found->status)) {
          co_return;
        }
        timer.expires_after(std::chrono::milliseconds{20});
        co_await timer.async_wait(asio::use_awaitable);
      }
      ADD_FAILURE() << "the job does not end";
    });
  }

  TestDatabase database_{
      std::filesystem::path{INFERNODE_SOURCE_DIR "/tests/data/database-0.1.sql.gz"}};
  json::value facts_;
  Config config_;
  std::unique_ptr<app::App> app_;
  UserId user_;
};

TEST_F(FormerDatabase, KeepsItsVideosJobsAndResults) {
  for (const auto& [id, expected] : facts_.at("jobs").as_object()) {
    run([&, id = JobId::parse(std::string_view{id}).value(),
         expected = expected]() -> asio::awaitable<void> {
      const auto found = co_await app_->jobs.find(user_, id);
      EXPECT_EQ(to_text(found->status), text(expected, "status"));
      EXPECT_EQ(found->cost, Tokens::parse(json_text(expected.at("cost"))));
      EXPECT_EQ(found->done, integer(expected, "done"));
    });
  }
  const auto& video = facts_.at("videos").at("a");
  EXPECT_EQ(content_hash(BlobId::parse(database_.value("SELECT file FROM \"Videos\" WHERE id = '" +
                                                       text(video, "id") + "'"))
                             .value()),
            text(video, "sha256"));
  const auto& completed = facts_.at("completed");
  const auto id = JobId::parse(text(completed, "id")).value();
  const auto stored = result_of(id);
  EXPECT_EQ(content_hash(stored.images_blob.value()), text(completed, "zip_sha256"));
  EXPECT_EQ(static_cast<std::int64_t>(frames_of(stored.frames_blob.value()).size()),
            integer(completed, "frames"));
  EXPECT_FALSE(stored.index_blob);
  run([&]() -> asio::awaitable<void> {
    const auto image = co_await app_->results.image(user_, id, 77);
    EXPECT_TRUE(image);
    Sha256 sha;
    sha.update(*image);
    const auto digest = sha.finish();
    EXPECT_EQ(hex(digest), text(completed, "image_77_sha256"));
    const auto absent = co_await app_->results.image(user_, id, 120);
    EXPECT_EQ(absent.error().code, ErrorCode::not_found);
  });
  const auto ends = document_ends(stored.head);
  EXPECT_TRUE(json::parse(ends.before + ends.after).is_object());
}

// A job of which the former version did a part, in its own form, and one that it never began.
TEST_F(FormerDatabase, WhatItLeftUnfinishedIsFinished) {
  app_->add_workers(1);
  for (const char* name : {"running", "waiting"}) {
    wait_for_end(job(name));
    run([&]() -> asio::awaitable<void> {
      const auto found = co_await app_->jobs.find(user_, job(name));
      EXPECT_EQ(found->status, JobStatus::completed) << name;
    });
  }
  const auto running = result_of(job("running"));
  const auto frames = frames_of(running.frames_blob.value());
  ASSERT_EQ(frames.size(), 360U);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(integer(frames[i], "frame"), static_cast<std::int64_t>(i));
  }
  const auto head = json::parse(running.head);
  EXPECT_EQ(integer(head.at("accounting"), "processed"), 360);
  // Labels of former segments and counters of today's are one sum.
  std::int64_t objects = 0;
  for (const auto& frame : frames) {
    objects += static_cast<std::int64_t>(frame.at("objects").as_array().size());
  }
  EXPECT_EQ(integer(head.at("summary"), "objects"), objects);
  run([&]() -> asio::awaitable<void> {
    const auto former = co_await app_->results.image(user_, job("running"), 5);
    const auto present = co_await app_->results.image(user_, job("running"), 350);
    EXPECT_TRUE(former);
    EXPECT_TRUE(present);
    const auto report = co_await app_->credits.check();
    EXPECT_TRUE(report->sound());
    // Its former results keep the segments through which their images are found.
    app_->stop_workers();
    asio::steady_timer timer{app_->context};
    while (app_->running_workers > 0) {
      timer.expires_after(std::chrono::milliseconds{20});
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  database_.pass_time(std::chrono::hours{24 * 8});
  run([&]() -> asio::awaitable<void> {
    co_await app_->clearing.delete_segments();
    const auto image = co_await app_->results.image(
        user_, JobId::parse(text(facts_.at("completed"), "id")).value(), 77);
    EXPECT_TRUE(image);
  });
}

}  // namespace
}  // namespace infernode::test
