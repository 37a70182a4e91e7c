// Goal: no file, however damaged, harms the server, leaks from it or costs anybody what was not
// accepted. Method: videos of each container with bytes flipped, cut, spliced and put in, through
// uploads and jobs of the real server. A failure prints its seed. With RUN_LONG_TESTS=1 10,000
// files and 1,000 jobs instead of 120 and 12.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/process.hpp"
#include "testing/file_source.hpp"
#include "testing/long_tests.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Bytes = std::vector<std::byte>;

// One video of 24 small pictures in each container.
std::vector<Bytes> make_originals(const fs::path& folder) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> kinds{
      {"a.mp4", {"-c:v", "libx264", "-bf", "2"}},
      {"b.mov", {"-c:v", "libx264", "-bf", "2"}},
      {"c.mp4", {"-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov"}},
      {"d.mkv", {"-c:v", "libx265", "-x265-params", "log-level=none"}},
      {"e.webm", {"-c:v", "libvpx-vp9"}},
      {"f.webm", {"-c:v", "libvpx"}},
      {"g.ts", {"-c:v", "libx264", "-bf", "2"}},
      {"h.mpg", {"-c:v", "mpeg2video", "-bf", "2"}},
      {"i.avi", {"-c:v", "mpeg4", "-bf", "1"}},
      {"j.flv", {"-c:v", "flv1"}},
      {"k.ogg", {"-c:v", "libtheora"}},
      {"l.3gp", {"-c:v", "mpeg4"}},
      {"m.gif", {}},
      {"n.mov", {"-c:v", "prores"}},
      {"o.avi", {"-c:v", "mjpeg", "-pix_fmt", "yuvj420p"}}};
  std::vector<Bytes> originals;
  for (const auto& [name, options] : kinds) {
    const auto file = (folder / name).string();
    std::vector<std::string> line{
        "ffmpeg", "-nostdin", "-v",
        "error",  "-y",       "-f",
        "lavfi",  "-i",       "testsrc=size=128x96:rate=25:duration=0.96"};
    line.insert(line.end(), {"-pix_fmt", name == "n.mov" ? "yuv422p10le" : "yuv420p"});
    line.insert(line.end(), options.begin(), options.end());
    line.push_back(file);
    const auto made = run_process(line);
    EXPECT_EQ(made.status, 0) << name << ": " << made.output;
    originals.push_back(read_file(file));
  }
  return originals;
}

Bytes mutate(const std::vector<Bytes>& originals, std::uint32_t seed) {
  std::mt19937 random{seed};
  const auto number = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>{0, most}(random);
  };
  Bytes bytes = originals[seed % originals.size()];
  const auto at = [&] { return static_cast<std::ptrdiff_t>(number(bytes.size() - 1)); };
  switch (number(4)) {
    case 0:  // a few bytes, anywhere
      for (std::size_t i = 0; i <= number(20); ++i) {
        bytes[static_cast<std::size_t>(at())] = static_cast<std::byte>(number(255));
      }
      break;
    case 1:  // a few bytes where the structures are
      for (std::size_t i = 0; i <= number(5); ++i) {
        const auto near = std::min<std::size_t>(bytes.size() - 1, number(600));
        bytes[number(1) == 0 ? near : bytes.size() - 1 - near] =
            static_cast<std::byte>(number(255));
      }
      break;
    case 2:  // cut
      bytes.resize(1 + number(bytes.size() - 2));
      break;
    case 3: {  // spliced with another
      const auto& other = originals[number(originals.size() - 1)];
      const auto from = static_cast<std::ptrdiff_t>(number(other.size() - 1));
      bytes.resize(static_cast<std::size_t>(at()) + 1);
      bytes.insert(bytes.end(), other.begin() + from, other.end());
      break;
    }
    default: {  // something put in
      const Bytes more(1 + number(5000), static_cast<std::byte>(number(255)));
      bytes.insert(bytes.begin() + at(), more.begin(), more.end());
    }
  }
  return bytes;
}

struct Burden {
  std::int64_t memory = 0;  // KiB
  std::int64_t descriptors = 0;
  std::int64_t children = 0;
};

Burden burden_of(pid_t server) {
  Burden burden;
  std::ifstream status{fmt::format("/proc/{}/status", server)};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) {
      burden.memory = std::stoll(line.substr(6));
    }
  }
  const fs::directory_iterator descriptors{fmt::format("/proc/{}/fd", server)};
  burden.descriptors = std::distance(fs::begin(descriptors), fs::end(descriptors));
  std::ifstream children{fmt::format("/proc/{0}/task/{0}/children", server)};
  for (std::string child; children >> child;) {
    ++burden.children;
  }
  return burden;
}

TEST(MutatedVideos, HarmNobody) {
  const bool many = long_tests_wanted();
  const std::uint32_t files = many ? 10'000 : 120;
  const std::uint32_t most_jobs = files / 10;
  TestServer server;
  TestUser admin{server, TestUser::admin};
  TestUser user{server};
  admin.call(201, "POST", "/admin/users/" + user.id() + "/recharge", {{"tokens", 10'000}});
  const auto dataset = user.create_dataset("mutated");
  TemporaryFolder folder;
  const auto originals = make_originals(folder.path());
  const auto server_pid = server.pid();
  const auto file = folder.path() / "mutated";
  std::vector<std::string> jobs;
  std::map<int, int> statuses;
  std::int64_t frames = 0;
  Burden before;
  for (std::uint32_t seed = 0; seed < files; ++seed) {
    write_file(file.string(), mutate(originals, seed));
    const auto answer = user.upload(dataset, file);
    ++statuses[answer.status];
    EXPECT_TRUE(answer.status == 201 || answer.status == 415 || answer.status == 422)
        << "seed " << seed << ": " << answer.status << " " << answer.body;
    if (answer.status == 201) {
      const auto video = json::parse(answer.body);
      frames += integer(video, "frame_count");
      if (jobs.size() < most_jobs && seed % 3 == 0) {
        const auto accepted =
            user.call(201, "POST", "/jobs",
                      json::object{{"video_ids", json::array{video.at("id")}},
                                   {"params", {{"pipeline", "detect"}, {"frame_step", 8}}}});
        jobs.push_back(text(accepted.at("jobs").at(0), "id"));
      }
    }
    if (seed + 1 == files / 10) {
      for (const auto& job : jobs) {
        user.wait_for_end(job);
      }
      before = burden_of(server_pid);
    }
  }
  std::map<std::string, int> ends;
  std::int64_t images = 0;
  for (const auto& job : jobs) {
    const auto ended = user.wait_for_end(job);
    ++ends[text(ended, "status")];
    images += static_cast<std::int64_t>(std::lround(ended.at("cost").to_number<double>() * 500));
  }
  Burden after;
  // A worker keeps a runner, and has a spare one started meanwhile.
  wait_until("runners to end", [&] {
    after = burden_of(server_pid);
    return after.children <= before.children + 1;
  });
  for (const auto& [status, count] : statuses) {
    std::printf("%d x %d\n", count, status);
  }
  for (const auto& [status, count] : ends) {
    std::printf("%d jobs %s\n", count, status.c_str());
  }
  std::printf("memory %ld KiB, then %ld KiB; descriptors %ld, then %ld\n",
              static_cast<long>(before.memory), static_cast<long>(after.memory),
              static_cast<long>(before.descriptors), static_cast<long>(after.descriptors));
  EXPECT_EQ(server.pid(), server_pid);
  EXPECT_EQ(user.client().request("GET", "/healthz").status, 200);
  EXPECT_LE(after.descriptors, before.descriptors + 4);  // connections to the database
  if (many) {
    EXPECT_LE(static_cast<double>(after.memory), 1.05 * static_cast<double>(before.memory));
  }
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Videos\""), std::to_string(statuses[201]));
  EXPECT_EQ(user.balance(), Tokens::from_thousandths(10'100'000 - frames - 2 * images));
  EXPECT_EQ(server.command({"ledger:verify"}).status, 0);
}

}  // namespace
}  // namespace infernode::test
