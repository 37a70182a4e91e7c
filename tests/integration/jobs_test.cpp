// Goal: the main job end to end, to the last token: upload, quote, detect, result, images, refunds.
// Method: the real server, PostgreSQL, clip and model.
#include <gtest/gtest.h>

#include <fstream>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Jobs : public testing::Test {
protected:
  static void SetUpTestSuite() { server_ = std::make_unique<TestServer>(); }
  static void TearDownTestSuite() { server_.reset(); }

  static json::object detect(const std::string& video, json::object params = {}) {
    params["pipeline"] = "detect";
    return {{"video_ids", json::array{video}}, {"params", params}};
  }
  static std::string start(TestUser& user, const std::string& video, json::object params = {}) {
    const auto accepted = user.call(201, "POST", "/jobs", detect(video, std::move(params)));
    return text(accepted.at("jobs").at(0), "id");
  }
  // Balance equals the sum of the ledger, for everybody.
  static void expect_sound_ledger() {
    EXPECT_EQ(server_->value(R"(SELECT count(*) FROM "Users" AS u WHERE u."tokens" <>
                                (SELECT sum("amount") FROM "LedgerEntries" WHERE "user_id" = u."id"))"),
              "0");
  }
  static std::unique_ptr<TestServer> server_;
};
std::unique_ptr<TestServer> Jobs::server_;

using Videos = Jobs;

TEST_F(Videos, AreChargedByTheFrameAndComeBackAsTheyWere) {
  TestUser user{*server_};
  const auto footage = user.with_footage("clip");
  EXPECT_EQ(user.balance().to_string(), "99.880");
  const auto video = user.call(200, "GET", "/videos/" + footage.video);
  EXPECT_EQ(integer(video, "frame_count"), 120);
  EXPECT_EQ(integer(video, "width"), 768);
  EXPECT_EQ(text(video, "name"), "street.mp4");
  EXPECT_EQ(text(video, "codec"), "h264");
  EXPECT_EQ(text(video, "sha256"), sha256_of_file(kClip));
  const auto whole = user.send("GET", "/videos/" + footage.video + "/content");
  const auto original = read_file(kClip);
  ASSERT_EQ(whole.body.size(), original.size());
  EXPECT_EQ(std::memcmp(whole.body.data(), original.data(), original.size()), 0);
  const auto listed = user.call(200, "GET", "/datasets/" + footage.dataset + "/videos");
  EXPECT_EQ(listed.at("items").as_array().size(), 1U);
  const auto thumbnail = user.send("GET", "/videos/" + footage.video + "/thumbnail");
  EXPECT_EQ(thumbnail.headers.at("content-type"), "image/jpeg");
  EXPECT_TRUE(thumbnail.body.starts_with("\xff\xd8"));
}

TEST_F(Videos, HonourRanges) {
  TestUser user{*server_};
  const auto footage = user.with_footage("ranges");
  const std::string path = "/videos/" + footage.video + "/content";
  const auto original = read_file(kClip);
  const auto part = [&](const std::string& range) {
    return user.send("GET", path, "", {{"Range", range}});
  };
  // Across the border between two stored chunks.
  const auto middle = part("bytes=524280-524299");
  EXPECT_EQ(middle.status, 206);
  EXPECT_EQ(middle.headers.at("content-range"),
            "bytes 524280-524299/" + std::to_string(original.size()));
  ASSERT_EQ(middle.body.size(), 20U);
  EXPECT_EQ(std::memcmp(middle.body.data(), original.data() + 524280, 20), 0);
  EXPECT_EQ(part("bytes=-5").body.size(), 5U);
  const auto outside = part("bytes=99999999-");
  EXPECT_EQ(outside.status, 416);
  EXPECT_EQ(outside.headers.at("content-range"), "bytes */" + std::to_string(original.size()));
  const auto head = user.send("HEAD", path);
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(original.size()));
  EXPECT_TRUE(head.body.empty());
  EXPECT_EQ(user.send("GET", path, "", {{"If-None-Match", head.headers.at("etag")}}).status, 304);
}

TEST_F(Videos, AreDeletedWithTheirBytes) {
  TestUser user{*server_};
  const auto footage = user.with_footage("deleted");
  const std::string blob =
      server_->value("SELECT file FROM \"Videos\" WHERE id = '" + footage.video + "'");
  user.call(204, "DELETE", "/videos/" + footage.video);
  user.call(404, "GET", "/videos/" + footage.video);
  // Freed at once, and deleted by the next sweep.
  wait_until("the sweep", [&] {
    return server_->value("SELECT count(*) FROM \"Blobs\" WHERE id = '" + blob + "'") == "0";
  });
  EXPECT_EQ(server_->value("SELECT count(*) FROM \"BlobChunks\" WHERE blob_id = '" + blob + "'"),
            "0");
  EXPECT_NE(server_->log().find("expired blobs were swept"), std::string::npos);
  expect_sound_ledger();
}

TEST_F(Videos, BelongToTheirOwnerAlone) {
  TestUser owner{*server_};
  TestUser other{*server_};
  const auto footage = owner.with_footage("mine");
  for (const char* path : {"", "/content", "/thumbnail"}) {
    other.call(404, "GET", "/videos/" + footage.video + path);
  }
  other.call(404, "DELETE", "/videos/" + footage.video);
  other.call(404, "POST", "/jobs", detect(footage.video));
  other.call(404, "POST", "/jobs/quote", detect(footage.video));
  EXPECT_EQ(other.upload(footage.dataset, kClip).status, 404);
  EXPECT_EQ(other.balance().to_string(), "100.000");
}

TEST_F(Jobs, DetectPeopleAndChargeForEveryImage) {
  TestUser user{*server_};
  const auto footage = user.with_footage("main");
  const auto quote = user.call(200, "POST", "/jobs/quote", detect(footage.video));
  EXPECT_EQ(integer(quote, "images"), 120);
  EXPECT_EQ(json_text(quote.at("cost")), "0.24");
  EXPECT_EQ(user.balance().to_string(), "99.880");
  const std::string job = start(user, footage.video);
  EXPECT_EQ(user.balance().to_string(), "99.640");
  user.call(409, "DELETE", "/videos/" + footage.video);
  const auto ended = user.wait_for_end(job);
  ASSERT_EQ(text(ended, "status"), "COMPLETED") << json_text(ended);
  EXPECT_EQ(json_text(ended.at("cost")), "0.24");
  EXPECT_EQ(integer(ended.at("progress"), "done"), 120);
  EXPECT_GT(ended.at("energy_joules").to_number<double>(), 0);
  EXPECT_GT(ended.at("carbon_grams").to_number<double>(), 0);
  EXPECT_EQ(user.balance().to_string(), "99.640");

  const auto result = user.call(200, "GET", "/jobs/" + job + "/result");
  EXPECT_EQ(text(result, "job_id"), job);
  EXPECT_EQ(ended.at("energy_source").at("method"), result.at("energy").at("method"));
  EXPECT_EQ(ended.at("energy_source").at("grid"), result.at("energy").at("grid_source"));
  EXPECT_EQ(integer(result.at("accounting"), "selected"), 120);
  EXPECT_EQ(integer(result.at("accounting"), "processed"), 120);
  EXPECT_GT(integer(result.at("summary").at("labels"), "person"), 300);
  const auto& frames = result.at("frames").as_array();
  ASSERT_EQ(frames.size(), 120U);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(integer(frames[i], "frame"), static_cast<std::int64_t>(i));
    for (const auto& object : frames[i].at("objects").as_array()) {
      const auto box = json::value_to<std::vector<double>>(object.at("box"));
      EXPECT_GE(box[0], 0);
      EXPECT_GE(box[1], 0);
      EXPECT_LE(box[0] + box[2], 768.01);
      EXPECT_LE(box[1] + box[3], 576.01);
      EXPECT_GE(object.at("confidence").to_number<double>(), 0.3);
    }
  }
  // Nothing is left of the segments but what the result refers to.
  EXPECT_EQ(server_->value(R"(SELECT count(*) FROM "Blobs" AS b
      WHERE NOT EXISTS (SELECT FROM "Videos" WHERE file = b.id)
        AND NOT EXISTS (SELECT FROM "Results" WHERE b.id IN (image_zip, frames, image_index, video))
        AND expires_at IS NULL)"),
            "0");
  expect_sound_ledger();
}

TEST_F(Jobs, GiveImagesAsAZipAndOneByOne) {
  TestUser user{*server_};
  const auto footage = user.with_footage("images");
  // Steps over segments: 0, 3, ... 117.
  const std::string job = start(user, footage.video, {{"frame_step", 3}, {"image_quality", 60}});
  ASSERT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  EXPECT_EQ(user.balance().to_string(), "99.800");  // 40 images
  TemporaryFolder folder;
  const auto zip = folder.path() / "images.zip";
  ASSERT_EQ(user.client().download("/api/v1/jobs/" + job + "/images", zip).status, 200);
  const ProcessResult listing = run_process({"unzip", "-Z1", zip.string()});
  EXPECT_EQ(std::count(listing.output.begin(), listing.output.end(), '\n'), 40);
  EXPECT_EQ(run_process({"unzip", "-tq", zip.string()}).status, 0);
  run_process({"unzip", "-q", zip.string(), "-d", folder.path().string()});
  for (const int frame : {0, 57, 117}) {
    const auto image = user.send("GET", "/jobs/" + job + "/images/" + std::to_string(frame));
    EXPECT_EQ(image.headers.at("content-type"), "image/jpeg");
    char name[20];
    std::snprintf(name, sizeof name, "%06d.jpg", frame);
    const auto unpacked = read_file((folder.path() / name).string());
    ASSERT_EQ(image.body.size(), unpacked.size());
    EXPECT_EQ(std::memcmp(image.body.data(), unpacked.data(), unpacked.size()), 0);
  }
  for (const char* frame : {"1", "120", "-1", "x", "99999999999"}) {
    EXPECT_EQ(user.send("GET", "/jobs/" + job + "/images/" + std::string{frame}).status, 404)
        << frame;
  }
  EXPECT_EQ(user.send("GET", "/jobs/" + job + "/images", "", {{"Range", "bytes=0-3"}}).body,
            "PK\x03\x04");
}

TEST_F(Jobs, RunWithoutImagesAndForSomeLabels) {
  TestUser user{*server_};
  const auto footage = user.with_footage("plain");
  const std::string job =
      start(user, footage.video,
            {{"images", false}, {"classes", {"car"}}, {"start_frame", 100}, {"end_frame", 110}});
  ASSERT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  user.call(404, "GET", "/jobs/" + job + "/images");
  const auto result = user.call(200, "GET", "/jobs/" + job + "/result");
  EXPECT_EQ(result.at("frames").as_array().size(), 10U);
  EXPECT_EQ(integer(result.at("frames").at(0), "frame"), 100);
  for (const auto& [label, count] : result.at("summary").at("labels").as_object()) {
    EXPECT_EQ(std::string{label}, "car");
  }
}

TEST_F(Jobs, AreAbortedWithARefundOfWhatWasNotDone) {
  TestUser user{*server_};
  const auto footage = user.with_footage("aborted");
  const std::string job = start(user, footage.video);
  user.wait_for_progress(job, 1);
  const auto aborted = user.call(200, "POST", "/jobs/" + job + "/abort");
  EXPECT_EQ(text(aborted, "status"), "ABORTED");
  const auto done = integer(aborted.at("progress"), "done");
  EXPECT_LT(done, 120);
  EXPECT_EQ(user.balance(), Tokens::parse("99.880").value() - Tokens::from_thousandths(2) * done);
  user.call(409, "POST", "/jobs/" + job + "/abort");
  user.call(409, "GET", "/jobs/" + job + "/result");
  // Aborting ends the work itself, too: the next job is worked off at once.
  const std::string next = start(user, footage.video, {{"end_frame", 2}});
  EXPECT_EQ(text(user.wait_for_end(next), "status"), "COMPLETED");
  EXPECT_EQ(text(user.call(200, "GET", "/jobs/" + job), "status"), "ABORTED");
  expect_sound_ledger();
}

TEST_F(Jobs, AreAbortedByFilterAndQueuedUpToAPrice) {
  TestUser user{*server_};
  TestUser other{*server_};
  const auto footage = user.with_footage("clip");
  const auto video = footage.video;
  auto request = detect(video);
  request["max_cost"] = 0.239;
  const auto dearer = user.send("POST", "/jobs", json_text(request));
  EXPECT_EQ(dearer.status, 409);
  const auto problem = json::parse(dearer.body);
  EXPECT_EQ(text(problem, "type"), "/problems/price-changed");
  EXPECT_EQ(json_text(problem.at("required")), "0.24");
  request["max_cost"] = 0.2399;
  EXPECT_EQ(user.send("POST", "/jobs", json_text(request)).status, 422);
  request["max_cost"] = 0.24;
  request["priority"] = 11;
  EXPECT_EQ(user.send("POST", "/jobs", json_text(request)).status, 422);
  request["priority"] = -3;
  const auto accepted = user.call(201, "POST", "/jobs", request);
  EXPECT_EQ(integer(accepted.at("jobs").at(0), "priority"), -3);
  start(user, video);
  const json::object elsewhere{{"video_id", footage.dataset}};
  EXPECT_EQ(integer(user.call(200, "POST", "/jobs/abort", elsewhere), "aborted"), 0);
  const json::object all{{"dataset_id", footage.dataset}};
  EXPECT_EQ(integer(other.call(200, "POST", "/jobs/abort", all), "aborted"), 0);
  EXPECT_EQ(other.send("POST", "/jobs/abort", R"({"status":"FAILED"})").status, 422);
  const auto before = user.balance();
  const auto aborted = user.call(200, "POST", "/jobs/abort", all);
  EXPECT_EQ(integer(aborted, "aborted"), 2);
  EXPECT_EQ(Tokens::parse(json_text(aborted.at("refunded"))).value() + before, user.balance());
  EXPECT_EQ(integer(user.call(200, "POST", "/jobs/abort", json::object{}), "aborted"), 0);
  expect_sound_ledger();
}

TEST_F(Jobs, AreAcceptedAllOrNone) {
  TestUser user{*server_};
  const auto footage = user.with_footage("a");
  EXPECT_EQ(user.upload(footage.dataset, kClip, "second").status, 201);
  server_->spend(user.email(), "99.46");
  const json::object request{{"dataset_id", footage.dataset}, {"params", {{"pipeline", "detect"}}}};
  const auto refused = user.send("POST", "/jobs", json::serialize(request));
  EXPECT_EQ(refused.status, 402);
  const auto problem = json::parse(refused.body);
  EXPECT_EQ(json_text(problem.at("required")), "0.48");
  EXPECT_EQ(json_text(problem.at("available")), "0.3");
  EXPECT_EQ(user.balance().to_string(), "0.300");
  EXPECT_EQ(user.call(200, "GET", "/jobs").at("items").as_array().size(), 0U);
  TestUser admin{*server_, TestUser::admin};
  admin.call(201, "POST", "/admin/users/" + user.id() + "/recharge",
             json::object{{"tokens", 0.18}});
  const auto accepted = user.call(201, "POST", "/jobs", request);
  EXPECT_EQ(accepted.at("jobs").as_array().size(), 2U);
  for (const auto& job : accepted.at("jobs").as_array()) {
    user.call(200, "POST", "/jobs/" + text(job, "id") + "/abort");
  }
}

TEST_F(Jobs, BelongToTheirOwnerAlone) {
  TestUser owner{*server_};
  TestUser other{*server_};
  const auto footage = owner.with_footage("mine");
  const std::string job = start(owner, footage.video, {{"end_frame", 3}});
  owner.wait_for_end(job);
  for (const char* path : {"", "/result", "/images", "/images/0"}) {
    other.call(404, "GET", "/jobs/" + job + path);
    EXPECT_EQ(owner.send("GET", "/jobs/" + job + path).status, 200) << path;
  }
  other.call(404, "POST", "/jobs/" + job + "/abort");
  EXPECT_EQ(other.call(200, "GET", "/jobs").at("items").as_array().size(), 0U);
  // In a deleted dataset nothing is seen, by its owner either.
  owner.call(204, "DELETE", "/datasets/" + footage.dataset);
  owner.call(404, "GET", "/jobs/" + job);
  owner.call(404, "GET", "/jobs/" + job + "/result");
  owner.call(200, "POST", "/datasets/" + footage.dataset + "/restore");
  owner.call(200, "GET", "/jobs/" + job);
}

TEST_F(Jobs, AreRepeatable) {
  TestUser user{*server_};
  const auto footage = user.with_footage("twice");
  std::vector<std::string> frames;
  for (int i = 0; i < 2; ++i) {
    const std::string job = start(user, footage.video, {{"end_frame", 70}});
    user.wait_for_end(job);
    frames.push_back(json_text(user.call(200, "GET", "/jobs/" + job + "/result").at("frames")));
  }
  EXPECT_EQ(frames[0], frames[1]);
}

TEST_F(Jobs, ListThePipelines) {
  TestUser user{*server_};
  const auto pipelines = user.call(200, "GET", "/pipelines");
  const auto& detect_pipeline = pipelines.at("items").at(0);
  EXPECT_EQ(text(detect_pipeline, "name"), "detect");
  EXPECT_EQ(text(detect_pipeline.at("models").at(0), "name"), "centernet");
  EXPECT_TRUE(detect_pipeline.at("params").at("properties").as_object().contains("frame_step"));
  wait_until("a worker to show", [&] {
    return json_text(user.call(200, "GET", "/pipelines").at("devices")) == R"(["cpu"])";
  });
}

// A device that nobody has is waited for, or refused, as whoever runs the installation says.
TEST_F(Jobs, ForADeviceThatNobodyHas) {
  TestUser user{*server_};
  const auto footage = user.with_footage("gpu");
  const std::string job = start(user, footage.video, {{"device", "cuda"}});
  const auto waits = user.call(200, "GET", "/jobs/" + job);
  EXPECT_NE(text(waits.at("waiting"), "detail").find("and a graphics card (cuda)."),
            std::string::npos);
  user.call(200, "POST", "/jobs/" + job + "/abort");

  TestServer strict{{{"INFERNODE_MISSING_DEVICE", "refuse"}}};
  TestUser other{strict};
  const auto clip = other.with_footage("gpu");
  const auto request = [&](const char* device) {
    return json::object{{"video_ids", {clip.video}},
                        {"params", {{"pipeline", "detect"}, {"device", device}, {"end_frame", 1}}}};
  };
  wait_until("a worker to show", [&] {
    return json_text(other.call(200, "GET", "/models").at("devices")) == R"(["cpu"])";
  });
  const auto listed = other.call(200, "GET", "/models").at("items").as_array();
  EXPECT_GE(listed.size(), 8U);
  for (const auto& model : listed) {
    EXPECT_EQ(json_text(model.at("devices")), R"(["cpu"])") << json_text(model);
  }
  for (const std::string path : {"/jobs", "/jobs/quote"}) {
    const auto refused = other.call(422, "POST", path, request("cuda"));
    EXPECT_EQ(text(refused.at("errors").at(0), "pointer"), "/params/device");
  }
  EXPECT_EQ(strict.value(R"(SELECT count(*) FROM "InferenceJobs")"), "0");
  other.call(201, "POST", "/jobs", request("cpu"));
}

}  // namespace
}  // namespace infernode::test
