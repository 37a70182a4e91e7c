// Goal: a ZIP of videos comes in as all of them or none, by a form and in pieces, is paid for once
// and leaves nothing behind; a hostile one costs nobody anything.
// Method: the real server; archives of Python's zipfile, and some that are written field by field.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "media/container.hpp"
#include "media/zip_reader.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"
#include "testing/zip_builder.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Bytes = std::vector<std::byte>;

// A short video with bytes of its own: players skip the box behind it.
Bytes clip_number(const fs::path& folder, int frames, int number) {
  const auto file = folder / "clip.mp4";
  write_clip(file, frames, frames);
  auto bytes = read_file(file.string());
  const auto box = bytes_of(fmt::format("free{:04}", number));
  for (const int byte : {0, 0, 0, 12}) {
    bytes.push_back(static_cast<std::byte>(byte));
  }
  bytes.insert(bytes.end(), box.begin(), box.end());
  return bytes;
}

ZipPart packed(const std::string& name, Bytes content, bool deflated = true) {
  ZipPart part;
  part.name = name;
  part.content = std::move(content);
  part.deflated = deflated;
  return part;
}

class ZipUploads : public testing::Test {
protected:
  ZipUploads() : server_{{{"INFERNODE_WORKERS", "0"}}}, user_{server_} {}

  fs::path write(const Bytes& zip) {
    const auto file = server_.folder() / "videos.zip";
    write_file(file.string(), zip);
    return file;
  }
  Bytes clip(int number, int frames = 10) { return clip_number(server_.folder(), frames, number); }
  std::string count(const std::string& table) {
    return server_.value("SELECT count(*) FROM \"" + table + "\"");
  }
  // By tus, in one piece.
  http::ClientResponse send_whole(const std::string& dataset, const Bytes& zip, bool confirm) {
    std::map<std::string, std::string> headers{
        {"Tus-Resumable", "1.0.0"},
        {"Upload-Length", std::to_string(zip.size())},
        {"Upload-Metadata", "dataset_id " + base64(dataset) + ",name " + base64("all.zip") +
                                (confirm ? ",confirm" : "")},
        {"Content-Type", "application/offset+octet-stream"}};
    const std::string body{reinterpret_cast<const char*>(zip.data()), zip.size()};
    return user_.send("POST", "/uploads", body, headers);
  }
  std::int64_t stored() {
    const auto me = user_.call(200, "GET", "/users/me");
    return me.at("storage").at("used").to_number<std::int64_t>();
  }

  TestServer server_;
  TestUser user_;
};

TEST_F(ZipUploads, BecomeAVideoEach) {
  const auto dataset = user_.create_dataset("all");
  const auto first = clip(1);
  const auto second = clip(2, 5);
  const auto zip = build_zip({packed("day 1/", {}), packed("day 1/a.mp4", first),
                              packed("__MACOSX/._a.mp4", bytes_of("x")),
                              packed("b.mp4", second, false), packed("again.mp4", first)});
  const auto answer = user_.upload(dataset, write(zip));
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto body = json::parse(answer.body);
  const auto& items = body.at("items").as_array();
  ASSERT_EQ(items.size(), 3);
  EXPECT_EQ(items[0].at("name"), "day 1/a.mp4");
  EXPECT_EQ(items[0].at("frame_count"), 10);
  EXPECT_EQ(items[0].at("size"), first.size());
  EXPECT_EQ(items[1].at("name"), "b.mp4");
  EXPECT_EQ(items[1].at("frame_count"), 5);
  EXPECT_EQ(items[2].at("name"), "again.mp4");
  EXPECT_EQ(body.at("cost"), 0.025);
  EXPECT_EQ(user_.balance().to_string(), "99.975");
  for (std::size_t i = 0; i < 3; ++i) {
    const auto id = json::value_to<std::string>(items[i].at("id"));
    const auto content = user_.send("GET", "/videos/" + id + "/content");
    const auto bytes = bytes_of(content.body);
    EXPECT_EQ(bytes, i == 1 ? second : first);
    Sha256 sha;
    sha.update(bytes);
    EXPECT_EQ(text(items[i], "sha256"), hex(sha.finish()));
  }
  // Equal ones share their bytes, and the ZIP itself is gone.
  EXPECT_EQ(stored(), static_cast<std::int64_t>(first.size() + second.size()));
  wait_until("the ZIP is swept", [&] { return count("Blobs") == "2"; });
}

TEST_F(ZipUploads, OfPythonAreTaken) {
  const auto dataset = user_.create_dataset("all");
  const auto folder = server_.folder();
  write_file((folder / "a.mp4").string(), clip(1));
  const std::string script =
      "import zipfile,sys,os\n"
      "folder=sys.argv[1]\n"
      "with zipfile.ZipFile(folder+'/python.zip','w',zipfile.ZIP_DEFLATED) as z:\n"
      "  z.write(folder+'/a.mp4','übung/a.mp4')\n"
      "  with z.open('streamed.mp4','w',force_zip64=True) as out:\n"
      "    out.write(open(folder+'/a.mp4','rb').read())\n";
  const auto made = run_process({"python3", "-c", script, folder.string()});
  ASSERT_EQ(made.status, 0) << made.output;
  const auto answer = user_.upload(dataset, folder / "python.zip");
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("items").at(0).at("name"), "übung/a.mp4");
  EXPECT_EQ(body.at("items").at(1).at("name"), "streamed.mp4");
}

TEST_F(ZipUploads, OnceForAKey) {
  const auto dataset = user_.create_dataset("all");
  const auto file = write(build_zip({packed("a.mp4", clip(1)), packed("b.mp4", clip(2))}));
  const auto send = [&] {
    return user_.client().upload("/api/v1/datasets/" + dataset + "/videos", file, "",
                                 {{"Idempotency-Key", "once"}});
  };
  const auto first = send();
  const auto second = send();
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(user_.balance().to_string(), "99.980");
  EXPECT_EQ(count("Videos"), "2");
}

TEST_F(ZipUploads, ArePaidForWholeOrNotAtAll) {
  const auto dataset = user_.create_dataset("all");
  server_.spend(user_.email(), "99.985");
  const auto zip = build_zip({packed("a.mp4", clip(1)), packed("b.mp4", clip(2))});
  const auto refused = user_.upload(dataset, write(zip));
  EXPECT_EQ(refused.status, 402) << refused.body;
  EXPECT_EQ(json::parse(refused.body).at("required"), 0.02);
  EXPECT_EQ(json::parse(refused.body).at("available"), 0.015);
  EXPECT_EQ(count("Videos"), "0");
  wait_until("nothing staged is left", [&] { return count("Blobs") == "0"; });
  EXPECT_EQ(stored(), 0);

  // In pieces the bytes stay, until there is enough.
  const auto waiting = send_whole(dataset, zip, false);
  EXPECT_EQ(waiting.status, 402) << waiting.body;
  const auto id =
      json::value_to<std::string>(user_.call(200, "GET", "/uploads").at("items").at(0).at("id"));
  wait_until("only the ZIP is left", [&] { return count("Blobs") == "1"; });
  EXPECT_EQ(stored(), static_cast<std::int64_t>(zip.size()));
  TestUser admin{server_, TestUser::admin};
  admin.call(201, "POST", "/admin/users/" + user_.id() + "/recharge", {{"tokens", 1}});
  const auto upload = user_.call(200, "POST", "/uploads/" + id + "/accept");
  EXPECT_EQ(upload.at("state"), "accepted");
  EXPECT_EQ(upload.at("video_ids").as_array().size(), 2);
  EXPECT_EQ(upload.at("frame_count"), 20);
  EXPECT_EQ(upload.at("cost"), 0.02);
  EXPECT_EQ(user_.balance().to_string(), "0.995");
}

TEST_F(ZipUploads, InPiecesStopAtThePrice) {
  const auto dataset = user_.create_dataset("all");
  const auto zip = build_zip({packed("a.mp4", clip(1)), packed("b.mp4", clip(2))});
  const auto created = send_whole(dataset, zip, true);
  ASSERT_EQ(created.status, 201) << created.body;
  const auto path = created.headers.at("location").substr(7);
  EXPECT_EQ(user_.call(200, "GET", path).at("state"), "priced");
  EXPECT_EQ(user_.call(200, "GET", path).at("cost"), 0.02);
  EXPECT_EQ(stored(), static_cast<std::int64_t>(zip.size()));
  EXPECT_EQ(user_.balance().to_string(), "100.000");
  EXPECT_EQ(count("Videos"), "0");
  const auto upload = user_.call(200, "POST", path + "/accept");
  EXPECT_EQ(upload.at("state"), "accepted");
  EXPECT_EQ(user_.balance().to_string(), "99.980");
  // Those that were deleted since are told no more.
  const auto& ids = upload.at("video_ids").as_array();
  ASSERT_EQ(ids.size(), 2);
  user_.call(204, "DELETE", "/videos/" + json::value_to<std::string>(ids[0]));
  EXPECT_EQ(user_.call(200, "GET", path).at("video_ids"), (json::array{ids[1]}));
}

TEST_F(ZipUploads, NeedRoomForWhatIsInThem) {
  const auto dataset = user_.create_dataset("all");
  auto first = clip(1);
  first.resize(first.size() + 200'000);  // which a ZIP makes small
  const auto zip = build_zip({packed("a.mp4", first), packed("b.mp4", clip(2))});
  server_.sql("UPDATE \"Users\" SET \"storage_quota\" = 150000 WHERE email = '" + user_.email() +
              "'");
  const auto refused = user_.upload(dataset, write(zip));
  EXPECT_EQ(refused.status, 413) << refused.body;
  EXPECT_EQ(count("Videos"), "0");
  EXPECT_EQ(stored(), 0);
}

TEST_F(ZipUploads, GoOnWhenTheServerIsKilled) {
  const auto dataset = user_.create_dataset("all");
  std::vector<ZipPart> parts;
  for (int i = 0; i < 40; ++i) {
    parts.push_back(packed(fmt::format("{}.mp4", i), clip(i)));
  }
  const auto answer =
      user_.client().upload("/api/v1/datasets/" + dataset + "/videos", write(build_zip(parts)), "",
                            {{"Prefer", "respond-async"}});
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto path = answer.headers.at("location").substr(7);
  wait_until("some are unpacked", [&] { return std::stoi(count("Blobs")) > 10; });
  server_.kill();
  server_.start();
  user_.connect(server_);
  json::value upload;
  wait_until("the upload's outcome", [&] {
    upload = user_.call(200, "GET", path);
    return upload.at("state") != "probing";
  });
  EXPECT_EQ(upload.at("state"), "accepted") << upload;
  EXPECT_EQ(upload.at("video_ids").as_array().size(), 40);
  EXPECT_EQ(user_.balance().to_string(), "99.600");
  EXPECT_EQ(count("Videos"), "40");
  EXPECT_EQ(std::to_string(stored()),
            server_.value("SELECT sum(size) FROM \"Blobs\" WHERE expires_at IS NULL"));
}

// KiB that a process takes to read an archive, beyond one that reads none.
long peak_of(const Bytes& zip) {
  const auto peak = [](const std::function<void()>& work) {
    const pid_t child = fork();
    if (child == 0) {
      work();
      _exit(0);
    }
    rusage usage{};
    wait4(child, nullptr, 0, &usage);
    return usage.ru_maxrss;
  };
  const auto read = [&zip] {
    try {
      MemorySource source{zip};
      media::ZipReader reader{source, std::int64_t{16} << 30U};
      reader.read([](std::span<const std::byte>) {});
    } catch (const std::exception&) {
    }
  };
  const auto base = peak([&zip] { const MemorySource source{zip}; });
  return peak(read) - base;
}

TEST_F(ZipUploads, HostileOnesAreRefusedByName) {
  const auto dataset = user_.create_dataset("all");
  const auto all = hostile_zips(clip(1));
  std::vector<HostileZip> hostile = all.by_reader;
  hostile.insert(hostile.end(), all.by_server.begin(), all.by_server.end());
  EXPECT_GE(hostile.size(), 60);
  std::string table;
  for (const auto& each : hostile) {
    const auto file = write(each.bytes);
    const auto started = std::chrono::steady_clock::now();
    const auto answer = user_.upload(dataset, file);
    const auto seconds = seconds_since(started);
    EXPECT_TRUE(answer.status == 422 || answer.status == 415)
        << each.kind << ", " << each.what << ": " << answer.status << answer.body;
    const auto detail = json::value_to<std::string>(json::parse(answer.body).at("detail"));
    EXPECT_NE(detail.find(each.reason), std::string::npos)
        << each.kind << ", " << each.what << ": " << detail;
    table += fmt::format("{} | {} | {} | {} | {} KiB | {:.2f} s\n", each.kind, each.what,
                         answer.status, detail, peak_of(each.bytes), seconds);
  }
  std::cout << table;
  EXPECT_EQ(count("Videos"), "0");
  EXPECT_EQ(user_.balance().to_string(), "100.000");
  EXPECT_EQ(stored(), 0);
  wait_until("nothing staged is left", [&] { return count("Blobs") == "0"; });
  EXPECT_EQ(count("Chunks"), "0");
}

}  // namespace
}  // namespace infernode::test
