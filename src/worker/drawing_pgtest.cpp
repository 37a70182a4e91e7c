// Goal: what a job found is drawn again, counted in zones, hidden and filmed, as it would have been
// with the job; without inference, and to the byte. Method: the real worker, runner, clip and model
// on a database of their own.
#include <filesystem>
#include <map>

#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "testing/at_work.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

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

// The model that was used last may be gone: what needs none is done all the same.
TEST_F(AtWork, JobsAreDrawnAgainWhenTheirModelIsGone) {
  TemporaryFolder folder;
  for (const char* file : {"centernet.onnx", "centernet.json"}) {
    std::filesystem::copy_file(std::filesystem::path{INFERNODE_MODELS} / file,
                               folder.path() / file);
  }
  models_ = inference::load_catalogue(folder.path());
  auto made = upload(5);
  made.job = services_.make_job_of(made.user, made.video, {{"end_frame", 5}});
  add_worker();
  wait_for_end(made);
  ASSERT_EQ(status(made), "COMPLETED");
  models_ = inference::ModelCatalogue{};
  std::filesystem::remove_all(folder.path());
  kill_runners();
  auto again = made;
  again.job = services_.redraw(made, {{"confidence", 0.5}});
  workers_.front()->wake();
  wait_for_end(again);
  EXPECT_EQ(status(again), "COMPLETED");
  stop_workers();
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
  made.job = services_.make_job_of(made.user, made.video,
                                   {{"end_frame", 4}, {"video", true}, {"sound", true}});
  EXPECT_EQ(needs(), "pipeline:detect@3 pipeline:detect@3");
}

}  // namespace
}  // namespace infernode::test
