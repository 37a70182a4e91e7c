// Goal: the tus client that others use brings each file in whole and once, whatever happens to
// lines and servers.
// Method: tus-js-client under Node.js, four files at a time, through a proxy that cuts lines at
// random offsets and goes to either of two servers, which are killed in turns.
// INFERNODE_TEST_UPLOADS (8) says how many files, INFERNODE_TEST_UPLOAD_MIB (4) how large the
// largest.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/file_source.hpp"
#include "testing/server_pair.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// The clip, and behind it a box of random bytes that every player skips.
void write_film(const fs::path& file, std::uint32_t box, std::mt19937& random) {
  fs::copy_file(kClip, file);
  std::ofstream out{file, std::ios::binary | std::ios::app};
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.put(static_cast<char>(box >> shift & 0xff));
  }
  out << "free";
  for (std::uint32_t i = 8; i < box; ++i) {
    out.put(static_cast<char>(random()));
  }
}

TEST(ResumedUploads, ArriveWholeAndOnce) {
  const int count = number_from("INFERNODE_TEST_UPLOADS", 8);
  const int most = number_from("INFERNODE_TEST_UPLOAD_MIB", 4) * 1024 * 1024;
  std::mt19937 random{std::random_device{}()};
  TestServer server{{{"INFERNODE_WORKERS", "0"}}};
  ServerPair servers{server};
  TestUser user{server};
  const auto dataset = user.create_dataset("resumed");
  std::vector<std::string> line{"node",
                                INFERNODE_SOURCE_DIR "/tests/tus/upload.mjs",
                                (server.folder() / "ports.json").string(),
                                user.token(),
                                dataset,
                                "4",
                                std::to_string(random()),
                                std::to_string(most / 4)};
  std::map<std::string, std::string> hashes;
  std::int64_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    const auto file = server.folder() / fmt::format("{}.mp4", i);
    write_film(file, 300'000 + random() % static_cast<unsigned>(most), random);
    hashes[file.filename()] = sha256_of_file(file);
    bytes += static_cast<std::int64_t>(fs::file_size(file));
    line.push_back(file.string());
  }
  const auto write_ports = [&] {
    const auto made = server.folder() / "ports.new";
    std::ofstream{made} << "[" << servers.port(0) << "," << servers.port(1) << "]";
    fs::rename(made, server.folder() / "ports.json");
  };
  write_ports();
  std::atomic<bool> done = false;
  ProcessResult result;
  std::thread client{[&] {
    result = run_process(line);
    done = true;
  }};
  while (!done) {
    std::this_thread::sleep_for(std::chrono::milliseconds{400});
    servers.kill_one();
    write_ports();
  }
  client.join();
  ASSERT_EQ(result.status, 0) << result.output;
  const auto told = json::parse(result.output);
  user.connect(server);
  std::set<std::string> finished;
  for (const auto& each : told.at("results").as_array()) {
    EXPECT_FALSE(each.as_object().contains("error")) << json::serialize(each);
    if (each.as_object().contains("url")) {
      const auto url = text(each, "url");
      finished.insert(url.substr(url.rfind('/') + 1));
    }
  }
  EXPECT_EQ(finished.size(), hashes.size());
  // One whose address got lost on its way is begun again by the client, and forgotten by hand.
  int forgotten = 0;
  for (const auto& row :
       server.sql("SELECT id, received FROM \"Uploads\" WHERE state = 'receiving'")) {
    EXPECT_EQ(row.at(1), "0");
    EXPECT_FALSE(finished.contains(row.at(0)))
        << json_text(user.call(200, "GET", "/uploads/" + row.at(0)));
    user.call(204, "DELETE", "/uploads/" + row.at(0));
    ++forgotten;
  }
  // A server that dies while it looks into a file leaves that to another.
  wait_until("all to be looked into", [&] {
    return server.value("SELECT count(*) FROM \"Uploads\" WHERE state <> 'accepted'") == "0";
  });
  std::map<std::string, std::string> stored;
  for (const auto& row : server.sql("SELECT name, encode(blob.sha256, 'hex') FROM \"Videos\" "
                                    "JOIN \"Blobs\" AS blob ON blob.id = file")) {
    EXPECT_TRUE(stored.emplace(row.at(0), row.at(1)).second) << row.at(0) << " twice";
  }
  EXPECT_EQ(stored, hashes);
  for (const auto& row : server.sql("SELECT id, name FROM \"Videos\"")) {
    const auto content = server.folder() / "content";
    EXPECT_EQ(user.client().download("/api/v1/videos/" + row.at(0) + "/content", content).status,
              200);
    EXPECT_EQ(sha256_of_file(content), hashes[row.at(1)]) << row.at(1);
  }
  EXPECT_EQ(server.value("SELECT count(*) FROM \"LedgerEntries\" WHERE kind = 'upload'"),
            std::to_string(count));
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), bytes);
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Blobs\" WHERE expires_at > now()"), "0");
  std::printf("%d files, %.1f MiB, %lld lines, %lld cut, %d kills, %d begun twice\n", count,
              static_cast<double>(bytes) / 1048576,
              static_cast<long long>(told.at("lines").as_int64()),
              static_cast<long long>(told.at("cuts").as_int64()), servers.kills(), forgotten);
}

}  // namespace
}  // namespace infernode::test
