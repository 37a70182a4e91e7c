// Goal: every format says what the result says, whatever a label holds, and in pieces of any size.
// Method: a small result by hand; several passes; files that tests/integration reads with others'
// readers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "core/json.hpp"
#include "media/zip_writer.hpp"
#include "results/exports/export_stream.hpp"
#include "results/exports/track_exporter.hpp"
#include "results/exports/zipped_exports.hpp"
#include "results/frame_stream.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

const json::object kHead = json::parse(R"({
  "job_id": "j", "video_id": "v", "model": "m", "params": {"frame_step": 2},
  "video": {"width": 200, "height": 100, "fps": 10, "frame_count": 9},
  "summary": {"objects": 4, "labels": {"a<b>&\"c\"": 1, "person": 3}}})")
                               .as_object();

std::string stored_frames() {
  std::string text;
  for (const auto* frame : {
           R"({"frame":0,"time":0,"objects":[
             {"label":"person","class_id":0,"confidence":0.9,"box":[10,20,30,40],"track_id":1},
             {"label":"a<b>&\"c\"","class_id":7,"confidence":0.5,"box":[100,50,20,10]}]})",
           R"({"frame":2,"time":0.2,"objects":[
             {"label":"person","class_id":0,"confidence":0.8,"box":[12,20,30,40],"track_id":1,"interpolated":true}]})",
           R"({"frame":4,"time":0.4,"objects":[
             {"label":"person","class_id":0,"confidence":0.8,"box":[14,20,30,40],"track_id":1},
             {"label":"person","class_id":0,"confidence":0.7,"box":[150,20,30,40],"track_id":2}]})",
           R"({"frame":8,"time":0.8,"objects":[]})"}) {
    text += frame_line(json_text(json::parse(frame)));
  }
  return text;
}

// Of one result, or of a dataset of this many.
std::string exported(ExportFormat format, std::size_t piece = 1 << 20, std::size_t videos = 0) {
  asio::io_context context;
  asio::thread_pool workers{1};
  const std::string stored = stored_frames();
  std::string text;
  const auto body = [&]() -> asio::awaitable<void> {
    ExportStream::Read read =
        [&](std::int64_t offset, std::size_t max_bytes) -> asio::awaitable<std::vector<std::byte>> {
      const auto part = std::as_bytes(std::span{stored}).subspan(static_cast<std::size_t>(offset));
      const auto taken = part.first(std::min({part.size(), piece, max_bytes}));
      co_return std::vector<std::byte>{taken.begin(), taken.end()};
    };
    ExportStream::Open open =
        [&, read](std::size_t number) -> asio::awaitable<std::optional<ExportStream::Source>> {
      if (number >= std::max<std::size_t>(videos, 1)) {
        co_return std::nullopt;
      }
      ExportStream::Source source{ExportFacts::of(kHead), read};
      source.facts.video_id += std::to_string(number);
      source.facts.video_name = "a,b";
      co_return source;
    };
    std::unique_ptr<ExportedFile> file;
    if (videos > 0 && !holds_datasets(format)) {
      file = std::make_unique<ZippedExports>(format, std::move(open), workers);
    } else {
      auto exporter = videos == 0
                          ? make_exporter(format, ExportFacts::of(kHead))
                          : make_dataset_exporter(format, {"d", ExportFacts::of(kHead).labels});
      file = std::make_unique<ExportStream>(std::move(exporter), std::move(open), workers);
    }
    for (;;) {
      const auto next = co_await file->next();
      if (next.empty()) {
        break;
      }
      text += next;
    }
  };
  std::exception_ptr failure;
  asio::co_spawn(context, body(), [&](std::exception_ptr error) { failure = std::move(error); });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  return text;
}

// Straight through the exporter, in its passes.
json::value coco_of(const std::vector<std::string>& frames) {
  const auto exporter = make_exporter(ExportFormat::coco, ExportFacts::of(kHead));
  std::string text = exporter->begin();
  for (bool again = true; again;) {
    exporter->begin_result(ExportFacts::of(kHead));
    for (const auto& frame : frames) {
      text += exporter->frame(ExportedFrame::of(json::parse(frame).as_object()));
    }
    const auto end = exporter->end_pass();
    text += end.text;
    again = end.again;
  }
  return json::parse(text);
}

TEST(Exports, AreTheSameInPiecesOfAnySize) {
  for (const auto& [format, name] : Words<ExportFormat>::all) {
    const auto whole = exported(format);
    EXPECT_FALSE(whole.empty());
    for (const std::size_t piece : {1U, 7U, 100U}) {
      EXPECT_EQ(exported(format, piece), whole) << name << " " << piece;
    }
  }
}

TEST(Exports, Coco) {
  const auto coco = json::parse(exported(ExportFormat::coco));
  EXPECT_EQ(coco.at("images").as_array().size(), 4U);
  EXPECT_EQ(json_text(coco.at("images").at(1)),
            R"({"id":3,"file_name":"000002.jpg","width":200,"height":100,"frame":2,"time":0.2})");
  EXPECT_EQ(json_text(coco.at("categories")),
            R"([{"id":1,"name":"person","supercategory":""},)"
            R"({"id":8,"name":"a<b>&\"c\"","supercategory":""}])");
  const auto& annotations = coco.at("annotations").as_array();
  ASSERT_EQ(annotations.size(), 5U);
  EXPECT_EQ(json_text(annotations[1]),
            R"({"id":2,"image_id":1,"category_id":8,"bbox":[100,50,20,10],"area":200,"iscrowd":0,)"
            R"("score":0.5})");
  EXPECT_EQ(annotations[4].at("track_id").as_int64(), 2);
}

TEST(Exports, CocoHasKeypointsAndPolygons) {
  const auto made = coco_of({
      R"({"frame":0,"time":0,"objects":[
        {"label":"person","class_id":0,"confidence":0.9,"box":[0,0,9,9],
         "keypoints":{"nose":[1,2,0.5],"left eye":[3,4]}}]})",
      R"({"frame":1,"time":0.1,"objects":[
        {"label":"person","class_id":0,"confidence":0.9,"box":[0,0,9,9],
         "keypoints":{"nose":[4,4,0.1],"left eye":[5.5,6],"tail":[7,8]},"polygon":[[0,0],[9,0],[9,9]]}]})"});
  EXPECT_EQ(json_text(made.at("categories").at(0).at("keypoints")),
            R"(["nose","left eye","tail"])");
  EXPECT_EQ(json_text(made.at("annotations").at(0).at("keypoints")), "[1,2,2,3,4,2,0,0,0]");
  EXPECT_EQ(json_text(made.at("annotations").at(1).at("keypoints")), "[0,0,0,5.5,6,2,7,8,2]");
  EXPECT_EQ(made.at("annotations").at(1).at("num_keypoints").as_int64(), 2);
  EXPECT_EQ(json_text(made.at("annotations").at(1).at("segmentation")), "[[0,0,9,0,9,9]]");
  EXPECT_FALSE(made.at("annotations").at(0).as_object().contains("segmentation"));
}

// Ids go on from video to video, labels are numbered together, and each video has its folder.
TEST(Exports, HoldDatasets) {
  for (const auto& [format, name] : Words<ExportFormat>::all) {
    EXPECT_EQ(exported(format, 7, 2), exported(format, 1 << 20, 2)) << name;
  }
  const auto coco = json::parse(exported(ExportFormat::coco, 1 << 20, 2));
  EXPECT_EQ(coco.at("images").as_array().size(), 8U);
  EXPECT_EQ(json_text(coco.at("images").at(5)),
            R"({"id":12,"file_name":"v1/000002.jpg","width":200,"height":100,"frame":2,"time":0.2,)"
            R"("video_id":"v1","video":"a,b"})");
  EXPECT_EQ(json_text(coco.at("categories")), R"([{"id":1,"name":"a<b>&\"c\"","supercategory":""},)"
                                              R"({"id":2,"name":"person","supercategory":""}])");
  const auto& annotations = coco.at("annotations").as_array();
  ASSERT_EQ(annotations.size(), 10U);
  EXPECT_EQ(annotations[9].at("id").as_int64(), 10);
  EXPECT_EQ(annotations[9].at("image_id").as_int64(), 14);
  EXPECT_EQ(annotations[9].at("category_id").as_int64(), 2);
  const auto csv = exported(ExportFormat::csv, 1 << 20, 2);
  EXPECT_TRUE(csv.starts_with("video_id,video,frame,time,label,"));
  EXPECT_NE(csv.find("\r\nv1,\"a,b\",0,0,person,0,0.9,10,20,30,40,1,0,\r\n"), std::string::npos)
      << csv;
  const auto yolo = exported(ExportFormat::yolo, 1 << 20, 2);
  EXPECT_NE(yolo.find("labels/v0/000008.txt"), std::string::npos);
  EXPECT_NE(yolo.find("labels/v1/000008.txt"), std::string::npos);
  EXPECT_EQ(yolo[yolo.size() - 12], 10);
}

// What holds one video is in a ZIP, as it would be by itself.
TEST(Exports, AreZippedWhereAFormatHoldsOneVideo) {
  const auto zip = exported(ExportFormat::mot, 1 << 20, 2);
  const auto alone = exported(ExportFormat::mot);
  const auto first = zip.find("v0.mot.csv" + alone + "PK");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(zip.find("v1.mot.csv" + alone + "PK", first), std::string::npos);
}

TEST(Exports, Mot) {
  EXPECT_EQ(exported(ExportFormat::mot),
            "1,1,10,20,30,40,0.9,-1,-1,-1\n1,-1,100,50,20,10,0.5,-1,-1,-1\n"
            "3,1,12,20,30,40,0.8,-1,-1,-1\n5,1,14,20,30,40,0.8,-1,-1,-1\n"
            "5,2,150,20,30,40,0.7,-1,-1,-1\n");
}

TEST(Exports, Csv) {
  const auto csv = exported(ExportFormat::csv);
  EXPECT_NE(csv.find("\r\n0,0,person,0,0.9,10,20,30,40,1,0,\r\n"), std::string::npos);
  EXPECT_NE(csv.find("\r\n0,0,\"a<b>&\"\"c\"\"\",7,0.5,100,50,20,10,,0,\r\n"), std::string::npos);
  EXPECT_NE(csv.find("\r\n2,0.2,person,0,0.8,12,20,30,40,1,1,\r\n"), std::string::npos);
}

TEST(Exports, Webvtt) {
  EXPECT_EQ(exported(ExportFormat::webvtt),
            "WEBVTT\n\n"
            "00:00:00.000 --> 00:00:00.200\n1 a&lt;b&gt;&amp;&quot;c&quot;, 1 person\n\n"
            "00:00:00.200 --> 00:00:00.400\n1 person\n\n"
            "00:00:00.400 --> 00:00:00.800\n2 person\n\n");
}

TEST(Exports, Cvat) {
  const auto cvat = exported(ExportFormat::cvat);
  EXPECT_NE(cvat.find("<track id=\"0\" label=\"a&lt;b&gt;&amp;&quot;c&quot;\" source=\"auto\">\n"
                      "<box frame=\"0\" outside=\"0\" occluded=\"0\" keyframe=\"1\" xtl=\"100.00\" "
                      "ytl=\"50.00\" xbr=\"120.00\" ybr=\"60.00\" z_order=\"0\"></box>\n"
                      "<box frame=\"2\" outside=\"1\""),
            std::string::npos)
      << cvat;
  EXPECT_NE(cvat.find("<track id=\"1\" label=\"person\" source=\"auto\">\n<box frame=\"0\""),
            std::string::npos);
  EXPECT_NE(cvat.find("<box frame=\"2\" outside=\"0\" occluded=\"1\" keyframe=\"0\""),
            std::string::npos);
  EXPECT_TRUE(cvat.ends_with("</track>\n</annotations>\n"));
}

TEST(Exports, LabelStudio) {
  const auto tasks = json::parse(exported(ExportFormat::labelstudio));
  const auto& result = tasks.at_pointer("/0/predictions/0/result").as_array();
  ASSERT_EQ(result.size(), 3U);
  EXPECT_EQ(result[1].at("value").at("labels").at(0).as_string(), "person");
  const auto& sequence = result[1].at("value").at("sequence").as_array();
  ASSERT_EQ(sequence.size(), 4U);  // three boxes, and where it ends
  EXPECT_EQ(sequence[2].at("frame").as_int64(), 5);
  EXPECT_DOUBLE_EQ(sequence[2].at("x").to_number<double>(), 7);
  EXPECT_DOUBLE_EQ(sequence[2].at("height").to_number<double>(), 40);
  EXPECT_FALSE(sequence[3].at("enabled").as_bool());
}

TEST(Exports, YoloIsAZip) {
  const auto zip = exported(ExportFormat::yolo);
  EXPECT_NE(zip.find("names:\n  0: \"a<b>&\\\"c\\\"\"\n  1: \"person\"\n"), std::string::npos);
  EXPECT_NE(zip.find("1 0.125000 0.400000 0.150000 0.400000\n"), std::string::npos);
  // Files, directory and end: six entries.
  EXPECT_EQ(zip.substr(zip.size() - 22, 4), "PK\x05\x06");
  EXPECT_EQ(zip[zip.size() - 12], 6);
}

class CountingExporter : public TrackExporter {
public:
  std::map<std::string, std::size_t> written;

protected:
  std::string write(const ExportedTrack& track) override {
    EXPECT_EQ(track.number, static_cast<std::int64_t>(written.size()));
    written[track.label + std::to_string(track.number)] = track.shapes.size();
    return "t";
  }
  std::string finish() override { return "end"; }
};

// More boxes than are held at once: more passes, each track whole.
TEST(Exports, LongTracksTakeMorePasses) {
  CountingExporter exporter;
  int passes = 0;
  for (bool again = true; again; ++passes) {
    for (int i = 0; i < 50000; ++i) {
      ExportedFrame frame{i, i / 10.0, {}};
      for (int track = 0; track < 10; ++track) {
        frame.boxes.push_back({"p", 0, 0.5, 1, 2, 3, 4, track, false, "", {}, {}});
      }
      exporter.frame(frame);
    }
    again = exporter.end_pass().again;
  }
  EXPECT_EQ(passes, 4);  // one that counts, and 500,000 boxes in four, four and two tracks
  EXPECT_EQ(exporter.written.size(), 10U);
  for (const auto& [track, shapes] : exporter.written) {
    EXPECT_EQ(shapes, 50000U);
  }
}

// What a runner that was taken over might have stored ends the export, not the server.
TEST(Exports, AreBounded) {
  const auto write = [](ExportFormat format) {
    auto exporter = make_exporter(format, ExportFacts::of(kHead));
    exporter->begin();
    ExportedFrame frame{0, 0, std::vector<ExportedBox>(300000)};
    for (std::size_t i = 0; i < frame.boxes.size(); ++i) {
      frame.boxes[i].track = static_cast<std::int64_t>(i);
      frame.boxes[i].class_id = static_cast<int>(i);
    }
    exporter->frame(frame);
  };
  for (const auto format : {ExportFormat::cvat, ExportFormat::labelstudio, ExportFormat::coco}) {
    EXPECT_THROW(write(format), std::runtime_error) << to_text(format);
  }
}

TEST(Exports, OfNothingAreWhole) {
  for (const auto& [format, name] : Words<ExportFormat>::all) {
    auto exporter = make_exporter(format, ExportFacts::of(kHead));
    std::string text = exporter->begin();
    for (;;) {
      const auto end = exporter->end_pass();
      text += end.text;
      if (!end.again) {
        break;
      }
    }
    if (content_type_of(format) == "application/json") {
      EXPECT_NO_THROW(json::parse(text)) << name;
    }
  }
}

}  // namespace
}  // namespace infernode
