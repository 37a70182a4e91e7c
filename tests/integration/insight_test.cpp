// Goal: parts of a result, what was used, and the queue are told as they are, each to whom they
// belong. Method: the real server, clip and model; what is told in parts against the whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "core/json.hpp"
#include "testing/event_client.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;
using Line = EventClient::Line;

class Insight : public testing::Test {
protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>();
    user_ = std::make_unique<TestUser>(*server_);
    footage_ = user_->with_footage("clip");
    job_ = start({{"pipeline", "detect"}, {"track", true}, {"images", false}});
    ASSERT_EQ(text(user_->wait_for_end(job_), "status"), "COMPLETED");
    whole_ = user_->call(200, "GET", "/jobs/" + job_ + "/result").at("frames").as_array();
  }
  static void TearDownTestSuite() {
    whole_.clear();
    user_.reset();
    server_.reset();
  }
  static std::string start(const json::object& params) {
    const json::object request{{"video_ids", json::array{footage_.video}}, {"params", params}};
    return text(user_->call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  }
  // A line each.
  static json::array frames(const std::string& query) {
    const auto answer = user_->send("GET", "/jobs/" + job_ + "/frames" + query);
    EXPECT_EQ(answer.status, 200) << query;
    EXPECT_EQ(answer.headers.at("content-type"), "application/x-ndjson");
    json::array all;
    for (std::size_t begin = 0; begin < answer.body.size();) {
      const auto end = answer.body.find('\n', begin);
      all.push_back(json::parse(answer.body.substr(begin, end - begin)));
      begin = end + 1;
    }
    return all;
  }

  static std::unique_ptr<TestServer> server_;
  static std::unique_ptr<TestUser> user_;
  static TestUser::Footage footage_;
  static std::string job_;
  static json::array whole_;
};
std::unique_ptr<TestServer> Insight::server_;
std::unique_ptr<TestUser> Insight::user_;
TestUser::Footage Insight::footage_;
std::string Insight::job_;
json::array Insight::whole_;

TEST_F(Insight, FramesComeInParts) {
  ASSERT_EQ(whole_.size(), 120U);
  EXPECT_EQ(frames(""), whole_);
  const auto some = frames("?from=40&to=50");
  EXPECT_EQ(some, (json::array(whole_.begin() + 40, whole_.begin() + 50)));
  EXPECT_EQ(frames("?from=115&limit=3"), (json::array(whole_.begin() + 115, whole_.begin() + 118)));
  EXPECT_TRUE(frames("?from=120").empty());
  EXPECT_TRUE(frames("?from=50&to=50").empty());
  EXPECT_TRUE(frames("?label=zebra%20crossing").empty());
}

TEST_F(Insight, FramesAreFilteredByTheirObjects) {
  const auto keeps = [&](const std::string& query, auto passes) {
    json::array expected;
    for (const auto& frame : whole_) {
      json::array objects;
      for (const auto& object : frame.at("objects").as_array()) {
        if (passes(object)) {
          objects.push_back(object);
        }
      }
      if (!objects.empty()) {
        json::object rest = frame.as_object();
        rest["objects"] = std::move(objects);
        expected.emplace_back(std::move(rest));
      }
    }
    EXPECT_GT(expected.size(), 3U) << query;
    EXPECT_LT(expected.size(), 120U + 1) << query;
    EXPECT_EQ(frames(query), expected) << query;
  };
  keeps("?label=person", [](const json::value& object) { return object.at("label") == "person"; });
  keeps("?confidence=0.7", [](const json::value& object) {
    return object.at("confidence").to_number<double>() >= 0.7;
  });
  const auto track = whole_[60].at("objects").at(0).at("track_id").to_number<std::int64_t>();
  keeps("?track_id=" + std::to_string(track), [&](const json::value& object) {
    const auto* own = object.as_object().if_contains("track_id");
    return own != nullptr && *own == track;
  });
}

TEST_F(Insight, ATimelineAddsUpToTheFrames) {
  const auto timeline = user_->call(200, "GET", "/jobs/" + job_ + "/timeline?buckets=7");
  EXPECT_TRUE(timeline.at("exact").as_bool());
  const auto& buckets = timeline.at("buckets").as_array();
  EXPECT_LE(buckets.size(), 7U);
  std::map<std::string, double> told;
  std::int64_t looked_at = 0;
  for (const auto& bucket : buckets) {
    looked_at += integer(bucket, "frames");
    for (const auto& [label, mean] : bucket.at("objects").as_object()) {
      told[label] += mean.to_number<double>() * static_cast<double>(integer(bucket, "frames"));
    }
  }
  EXPECT_EQ(looked_at, 120);
  std::map<std::string, double> counted;
  for (const auto& frame : whole_) {
    for (const auto& object : frame.at("objects").as_array()) {
      ++counted[text(object, "label")];
    }
  }
  ASSERT_EQ(told.size(), counted.size());
  for (const auto& [label, count] : counted) {
    EXPECT_NEAR(told.at(label), count, 0.1) << label;
  }
}

TEST_F(Insight, PartsOfResultsAreTheirUsersAlone) {
  TestUser other{*server_};
  for (const auto* part : {"/frames", "/timeline"}) {
    EXPECT_EQ(other.send("GET", "/jobs/" + job_ + part).status, 404);
  }
  for (const auto* wrong : {"/frames?from=-1", "/frames?confidence=2", "/frames?confidence=x",
                            "/frames?limit=0", "/frames?labels=person", "/timeline?buckets=0"}) {
    EXPECT_EQ(user_->send("GET", "/jobs/" + job_ + wrong).status, 422) << wrong;
  }
  EXPECT_EQ(other.call(200, "GET", "/users/me/usage").at("items").as_array().size(), 0U);
}

TEST_F(Insight, WhatWasUsedIsToldOnce) {
  const auto ended = user_->call(200, "GET", "/jobs/" + job_);
  const auto usage = user_->call(200, "GET", "/users/me/usage?bucket=all").at("items").as_array();
  std::map<std::string, json::value> by_pipeline;
  for (const auto& used : usage) {
    by_pipeline[text(used, "pipeline")] = used;
  }
  ASSERT_TRUE(by_pipeline.contains("detect"));
  EXPECT_EQ(integer(by_pipeline.at("upload"), "frames"), 120);
  EXPECT_EQ(integer(by_pipeline.at("detect"), "images") % 120, 0);
  EXPECT_GT(by_pipeline.at("detect").at("joules").to_number<double>(), 0.0);
  EXPECT_GE(by_pipeline.at("detect").at("grams").to_number<double>(),
            ended.at("carbon_grams").to_number<double>() - 1e-6);
  const auto csv = user_->send("GET", "/users/me/usage?format=csv");
  EXPECT_EQ(csv.headers.at("content-type"), "text/csv; charset=utf-8");
  EXPECT_TRUE(csv.body.starts_with("from,pipeline,frames,images,tokens,joules,grams\r\n"));
  EXPECT_EQ(user_->send("GET", "/users/me/usage?from=2026-02-30").status, 422);
  EXPECT_EQ(user_->send("GET", "/users/me/usage?from=yesterday").status, 422);
}

TEST_F(Insight, AdministratorsFollowTheQueue) {
  TestUser admin{*server_, TestUser::admin};
  EXPECT_EQ(user_->send("GET", "/admin/queue").status, 403);
  EventClient followed{server_->port(), Line::web_socket, admin.token()};
  EventClient not_told{server_->port(), Line::web_socket, user_->token()};
  const auto job = start({{"pipeline", "detect"}, {"images", false}});
  const auto messages = followed.until([&](const json::object& message) {
    if (message.at("type") != "queue") {
      return false;
    }
    const auto& workers = message.at("queue").at("workers").as_array();
    return std::any_of(workers.begin(), workers.end(), [&](const json::value& worker) {
      const auto* work = worker.as_object().if_contains("work");
      return work != nullptr && text(*work, "job_id") == job;
    });
  });
  const auto idle = followed.until([&](const json::object& message) {
    return message.at("type") == "queue" && message.at("queue").at("jobs").at("RUNNING") == 0;
  });
  EXPECT_EQ(admin.call(200, "GET", "/admin/queue").at("workers").as_array().size(),
            idle.back().at("queue").at("workers").as_array().size());
  // Until the job's end: nothing of the queue among it.
  for (const auto& message : not_told.until([&](const json::object& each) {
         return each.at("type") == "job" && each.at("job").at("status") == "COMPLETED";
       })) {
    EXPECT_NE(message.at("type"), "queue");
  }
  const TestUser another{*server_, TestUser::admin};  // the last one stays one
  // Whoever is an administrator no more hears no more of it, once that is asked about again.
  ASSERT_EQ(server_->command({"users:role", admin.email(), "user"}).status, 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (followed.next(std::chrono::seconds{3}) && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_LT(std::chrono::steady_clock::now(), end);
}

}  // namespace
}  // namespace infernode::test
