// Goal: the subcommands do what --help says, with errors that say what to do.
// Method: the real binary against a real cluster.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/ffmpeg.hpp"
#include "testing/long_tests.hpp"
#include "testing/onnx_file.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

TEST(CommandLine, RunsAVideoWithoutServer) {
  TemporaryFolder folder;
  const std::string out = (folder.path() / "out").string();
  const ProcessResult result = run_process(
      {"env", "INFERNODE_MODEL_DIR=" INFERNODE_MODELS, INFERNODE_BINARY, "run", kClip.string(),
       "--out", out, "--start-frame", "60", "--end-frame", "66", "--frame-step", "2", "--json"});
  ASSERT_EQ(result.status, 0) << result.output;
  std::ifstream in{out + "/result.json"};
  const std::string document{std::istreambuf_iterator<char>{in}, {}};
  const auto parsed = json::parse(document);
  ASSERT_EQ(parsed.at("frames").as_array().size(), 3U);
  EXPECT_EQ(integer(parsed.at("frames").at(2), "frame"), 64);
  EXPECT_EQ(run_process({"unzip", "-tq", out + "/images.zip"}).status, 0);
  for (const auto& entry : std::filesystem::directory_iterator{out}) {
    EXPECT_EQ(entry.path().string().find(".part"), std::string::npos);
  }
  const ProcessResult wrong =
      run_process({"env", "INFERNODE_MODEL_DIR=" INFERNODE_MODELS, INFERNODE_BINARY, "run",
                   INFERNODE_SOURCE_DIR "/CMakeLists.txt", "--out", out});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.output.find("not a video"), std::string::npos) << wrong.output;
}

// Whatever the job asked for comes out again; what was stored otherwise is found.
TEST(CommandLine, ReplaysJobs) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("clip");
  const auto run = [&](json::object params) {
    const json::object request{{"video_ids", {footage.video}}, {"params", params}};
    const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
    EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
    return job;
  };
  const auto replay = [&](const std::string& job) { return server.command({"replay", job}); };
  const auto plain = run({{"pipeline", "detect"}, {"start_frame", 7}, {"frame_step", 4}});
  const auto same = replay(plain);
  EXPECT_EQ(same.status, 0) << same.output;
  EXPECT_NE(same.output.find("the same bytes: 29 frames, images.zip"), std::string::npos)
      << same.output;
  const auto filmed =
      run({{"pipeline", "detect"}, {"track", true}, {"video", true}, {"end_frame", 30}});
  const auto again = replay(filmed);
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_NE(again.output.find("video.mp4"), std::string::npos) << again.output;

  server.sql(
      "UPDATE \"Results\" SET \"json_res\" = jsonb_set(\"json_res\"::jsonb, "
      "'{summary,objects}', '1') WHERE \"inferenceJob_id\" = '" +
      plain + "'");
  const auto other = replay(plain);
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.output.find("differs: /summary/objects is "), std::string::npos) << other.output;
  server.sql(
      "UPDATE \"Results\" SET \"json_res\" = jsonb_set(\"json_res\"::jsonb, "
      "'{provenance,processors}', '[\"another\"]') WHERE \"inferenceJob_id\" = '" +
      filmed + "'");
  const auto elsewhere = replay(filmed);
  EXPECT_EQ(elsewhere.status, 0);
  EXPECT_NE(elsewhere.output.find("the same within tolerance: 30 frames"), std::string::npos)
      << elsewhere.output;
  for (const std::string job : {"nonsense", "00000000-0000-4000-8000-000000000000"}) {
    EXPECT_EQ(replay(job).status, 1) << job;
  }
}

// A model that fails on the bright half of a video: an index out of range.
TEST(CommandLine, FramesThatTheModelFailsOnCountAsFailed) {
  const OnnxValue input{"x", OnnxType::float32, {1, 3, 8, 8}};
  const OnnxGraph graph{
      {{"ReduceMax", {"x"}, {"brightest"}, "", {{"keepdims", 0}}, {}},
       {"Cast", {"brightest"}, {"index"}, "", {{"to", static_cast<int>(OnnxType::int64)}}, {}},
       {"Gather", {"boxes", "index"}, {"y"}, "", {{"axis", 0}}, {}}},
      {{{"boxes", OnnxType::float32, {1, 1, 1, 6}}, floats({1, 2, 5, 6, 0.9F, 0}), ""}},
      {input},
      {{"y", OnnxType::float32, {1, 1, 6}}}};
  TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  const auto bytes = onnx_file(graph);
  std::ofstream{file("touchy.onnx"), std::ios::binary}.write(
      reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  std::ofstream{file("touchy.json")}
      << R"({"name":"touchy","pipeline":"detect","source":"test","license":"none",)"
      << R"("input":{"name":"x","width":8,"height":8,"layout":"nchw","scale":0.0078125},)"
      << R"("outputs":["y"],"decoder":{"kind":"top_k_boxes"},"labels":["thing"]})";
  const auto film = run_ffmpeg(
      "-f lavfi -i color=c=black:s=64x64:r=10:d=2 -f lavfi -i color=c=white:s=64x64:r=10:d=1 "
      "-filter_complex [0][1]concat -pix_fmt yuv420p -c:v mpeg4 -q:v 2",
      file("film.mp4"));
  const auto run = [&](const char* budget) {
    return run_process({"env", "INFERNODE_MODEL_DIR=" + folder.path().string(), INFERNODE_BINARY,
                        "run", film, "--model", "touchy", "--max-failed", budget, "--out",
                        file("out")});
  };
  const auto refused = run("0.2");
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(
      refused.output.find("10 of 30 selected frames could not be decoded, or the model failed "
                          "on them, more than max_failed (0.2) allows."),
      std::string::npos)
      << refused.output;
  const auto taken = run("0.5");
  ASSERT_EQ(taken.status, 0) << taken.output;
  EXPECT_NE(taken.output.find("the model failed on some, first with"), std::string::npos)
      << taken.output;
  std::ifstream in{file("out/result.json")};
  const auto result = json::parse(std::string{std::istreambuf_iterator<char>{in}, {}});
  EXPECT_EQ(result.at("frames").as_array().size(), 20U);
  EXPECT_EQ(result.at("accounting").at("failed"), 10);
  EXPECT_EQ(result.at("accounting").at("reasons").at("inference_failed"), 10);
}

TEST(CommandLine, TriesModels) {
  const auto command = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"env", "INFERNODE_MODEL_DIR=" INFERNODE_MODELS, INFERNODE_BINARY});
    return run_process(words);
  };
  // All that ship find what their manifests say.
  const auto all = command({"models:test", "--json"});
  EXPECT_EQ(all.status, 0) << all.output;
  std::istringstream lines{all.output};
  int models = 0;
  for (std::string line; std::getline(lines, line); ++models) {
    EXPECT_TRUE(json::parse(line).at("compared").as_bool()) << line;
  }
  EXPECT_GE(models, 5);
  // What is recorded is what a manifest takes.
  const auto recorded = command({"models:test", "centernet", "--picture",
                                 INFERNODE_SOURCE_DIR "/models/walker.jpg", "--record"});
  EXPECT_EQ(recorded.status, 0);
  const auto golden = recorded.output.find("\"golden\": {");
  ASSERT_NE(golden, std::string::npos) << recorded.output;
  TemporaryFolder folder;
  const std::string model = INFERNODE_MODELS "/centernet";
  std::ifstream in{model + ".json"};
  auto manifest = json::parse(std::string{std::istreambuf_iterator<char>{in}, {}}).as_object();
  manifest["golden"] = json::parse("{" + recorded.output.substr(golden) + "}").at("golden");
  const auto file = (folder.path() / "m.json").string();
  const auto write = [&] { std::ofstream{file} << json::serialize(manifest); };
  write();
  std::filesystem::copy_file(INFERNODE_SOURCE_DIR "/models/walker.jpg",
                             folder.path() / "walker.jpg");
  const std::vector<std::string> words{"models:test", "--file", model + ".onnx", "--manifest",
                                       file};
  EXPECT_EQ(command(words).status, 0);
  manifest["golden"].as_object()["objects"].as_array().clear();
  write();
  const auto differs = command(words);
  EXPECT_EQ(differs.status, 1);
  EXPECT_NE(differs.output.find("is found, and not expected"), std::string::npos) << differs.output;
  EXPECT_EQ(command({"models:test", "nothing"}).status, 1);
}

TEST(CommandLine, StopsAtWrongSettings) {
  const auto serve = [](const std::string& setting) {
    return run_process({"env", "-C", "/tmp", setting, INFERNODE_BINARY, "serve"});
  };
  const ProcessResult wrong = serve("INFERNODE_PORT=many");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.output.find("INFERNODE_PORT=many: should be a number from 0 to 65535"),
            std::string::npos);
  EXPECT_NE(serve("INFERNODE_PROT=1").output.find("no such setting"), std::string::npos);
  EXPECT_EQ(run_process({INFERNODE_BINARY, "no-such-command"}).status, 2);
  for (const char* command :
       {"serve", "worker", "run", "db:migrate", "db:migrate:undo", "db:migrate:status",
        "db:migration:generate", "db:seed", "db:seed:undo", "db:seed:generate", "keys:generate",
        "db:url", "models:list", "models:test", "doctor", "demo", "watch", "completion"}) {
    const ProcessResult help = run_process({INFERNODE_BINARY, command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_NE(help.output.find("Usage"), std::string::npos) << command;
  }
}

TEST(CommandLine, SeedsExaminesAndPrintsItsDatabase) {
  TestServer server;
  EXPECT_EQ(server.command({"db:seed"}).status, 0);
  EXPECT_EQ(server.command({"db:seed"}).status, 0);
  EXPECT_EQ(server.sql(R"(SELECT email, role, tokens FROM "Users" ORDER BY email)"),
            (std::vector<std::vector<std::string>>{{"admin@example.com", "admin", "1000.000"},
                                                   {"user1@example.com", "user", "100.000"},
                                                   {"user2@example.com", "user", "50.000"}}));
  EXPECT_EQ(server.value(R"(SELECT count(*) FROM "Tags")"), "5");
  EXPECT_EQ(server.value(R"(SELECT count(*) || '/' || count(deleted_at) FROM "Datasets")"), "2/1");
  http::Client client{"127.0.0.1", server.port()};
  EXPECT_EQ(client
                .request("POST", "/api/v1/auth/login",
                         R"({"email":"admin@example.com","password":"password"})")
                .status,
            200);
  const auto doctor = server.command({"doctor", "--json"});
  EXPECT_EQ(doctor.status, 0) << doctor.output;
  const auto url = server.command({"db:url"});
  std::string trimmed = url.output.substr(0, url.output.find('\n'));
  const ProcessResult psql = run_process({"psql", trimmed, "-Atc", "SELECT 1"});
  EXPECT_EQ(psql.output, "1\n") << trimmed;
  EXPECT_EQ(server.command({"db:seed:undo"}).status, 0);
  EXPECT_EQ(server.value(R"(SELECT count(*) FROM "Users")"), "0");
  EXPECT_EQ(server.value(R"(SELECT count(*) FROM "Tags")"), "0");
}

TEST(CommandLine, CompletesWordsWithColons) {
  const ProcessResult words =
      run_process({"bash", "-c",
                   "source <(" INFERNODE_BINARY " completion); COMP_LINE='infernode db:mig'; "
                   "COMP_POINT=${#COMP_LINE}; _infernode; echo ${COMPREPLY[@]}"});
  EXPECT_EQ(words.output, "migrate migrate:undo migrate:status migration:generate\n");
}

// The promise is 1 GiB in less than 100 MiB; the short run keeps the ratio with a quarter of it.
TEST(Upload, KeepsTheServersMemoryFlat) {
  const std::int64_t bytes = long_tests_wanted() ? 1'073'741'824 : 268'435'456;
  TestServer server;
  TestUser user{server};
  const std::string dataset = user.create_dataset("large");
  // A valid video of any size: the clip, followed by one large box that every player skips.
  const auto file = server.folder() / "large.mp4";
  std::filesystem::copy_file(kClip, file);
  {
    std::ofstream out{file, std::ios::binary | std::ios::app};
    const auto size = static_cast<std::uint32_t>(
        bytes - static_cast<std::int64_t>(std::filesystem::file_size(kClip)));
    const char box[8] = {static_cast<char>(size >> 24),
                         static_cast<char>(size >> 16),
                         static_cast<char>(size >> 8),
                         static_cast<char>(size),
                         'f',
                         'r',
                         'e',
                         'e'};
    out.write(box, sizeof box);
  }
  std::filesystem::resize_file(file, static_cast<std::uintmax_t>(bytes));
  const auto peak_kib = [&] {
    std::ifstream in{"/proc/" + std::to_string(server.pid()) + "/status"};
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("VmHWM:")) {
        return std::stol(line.substr(6));
      }
    }
    return 0L;
  };
  const long before = peak_kib();
  const auto began = std::chrono::steady_clock::now();
  const auto uploaded = user.upload(dataset, file);
  ASSERT_EQ(uploaded.status, 201) << uploaded.body;
  const auto received = std::chrono::steady_clock::now();
  const auto back = server.folder() / "back.mp4";
  const std::string video = text(json::parse(uploaded.body), "id");
  ASSERT_EQ(user.client().download("/api/v1/videos/" + video + "/content", back).status, 200);
  const auto sent = std::chrono::steady_clock::now();
  const long grown_kib = peak_kib() - before;
  std::printf(
      "%lld MiB: memory grew by %ld KiB; up %.0f MiB/s, down %.0f MiB/s\n",
      static_cast<long long>(bytes >> 20), grown_kib,
      static_cast<double>(bytes >> 20) / std::chrono::duration<double>(received - began).count(),
      static_cast<double>(bytes >> 20) / std::chrono::duration<double>(sent - received).count());
  EXPECT_LT(grown_kib, 100 * 1024);
  EXPECT_EQ(run_process({"cmp", file.string(), back.string()}).status, 0);
}

}  // namespace
}  // namespace infernode::test
