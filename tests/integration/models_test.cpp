// Goal: an administrator brings a model, all processes have it, jobs use it and it can go again; a
// wrong one leaves nothing behind. Method: the real server and a worker of its own process; models
// that ship, renamed.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <thread>

#include "core/json.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Models : public testing::Test {
protected:
  // What is given up stays until it was looked at.
  Models()
      : server_{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_SWEEP_SECONDS", "3600"}}},
        admin_{server_, TestUser::admin} {}

  struct Part {
    std::string name;
    std::string bytes;
  };
  static std::string text_of(const std::string& file) {
    const auto bytes = read_file(file);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // A model that ships, under another name.
  static json::object manifest(const std::string& model, const std::string& name) {
    auto object =
        json::parse(text_of(std::string{INFERNODE_MODELS} + "/" + model + ".json")).as_object();
    object["name"] = name;
    return object;
  }
  static std::vector<Part> form(const json::object& manifest, const std::string& model,
                                const std::string& picture) {
    const std::string folder = std::string{INFERNODE_MODELS} + "/";
    return {{"manifest", json::serialize(manifest)},
            {"model", text_of(folder + model)},
            {"picture", text_of(folder + picture)}};
  }
  http::ClientResponse send_form(TestUser& user, const std::vector<Part>& parts) {
    std::string body;
    for (const auto& part : parts) {
      body += "--b\r\nContent-Disposition: form-data; name=\"" + part.name +
              "\"; filename=\"f\"\r\n\r\n" + part.bytes + "\r\n";
    }
    body += "--b--\r\n";
    http::Client client{"127.0.0.1", server_.port()};
    return client.request("POST", "/api/v1/admin/models", body,
                          {{"Authorization", "Bearer " + user.token()},
                           {"Content-Type", "multipart/form-data; boundary=b"}});
  }
  static std::vector<Part> mine() {
    return form(manifest("blazeface-back", "mine"), "blazeface-back.onnx", "astronaut.jpg");
  }
  static std::string start(TestUser& user, const std::string& video, const std::string& model) {
    const json::object request{
        {"video_ids", {video}},
        {"params", {{"pipeline", "faces"}, {"model", model}, {"end_frame", 5}}}};
    return text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  }
  std::vector<std::string> names(TestUser& user) {
    std::vector<std::string> all;
    const auto listed = user.call(200, "GET", "/models");
    for (const auto& model : listed.at("items").as_array()) {
      all.push_back(text(model, "name"));
    }
    return all;
  }
  bool has(const std::string& name) {
    const auto all = names(admin_);
    return std::find(all.begin(), all.end(), name) != all.end();
  }

  ~Models() override {
    for (const pid_t worker : workers_) {
      ::kill(worker, SIGTERM);
      waitpid(worker, nullptr, 0);
    }
  }

  TestServer server_;
  TestUser admin_;
  std::vector<pid_t> workers_;
};

TEST_F(Models, AreAddedUsedTestedAndRemoved) {
  const auto added = send_form(
      admin_, form(manifest("blazeface-back", "mine"), "blazeface-back.onnx", "astronaut.jpg"));
  ASSERT_EQ(added.status, 201) << added.body;
  EXPECT_EQ(text(json::parse(added.body), "name"), "mine");
  TestUser user{server_};
  const auto listed = names(user);
  EXPECT_TRUE(has("mine"));
  EXPECT_TRUE(has("centernet"));
  const auto pipelines = user.send("GET", "/pipelines").body;
  EXPECT_NE(pipelines.find("\"mine\""), std::string::npos);
  // A worker that starts now, and one that has been there: both bring the file.
  const auto dataset = user.create_dataset("faces");
  const auto video = text(
      json::parse(user.upload(dataset, INFERNODE_SOURCE_DIR "/examples/astronaut.mp4").body), "id");
  workers_.push_back(server_.spawn({"worker"}));
  const auto run = [&](const std::string& model) {
    return user.wait_for_end(start(user, video, model));
  };
  const auto job = run("mine");
  EXPECT_EQ(text(job, "status"), "COMPLETED") << json::serialize(job);
  const auto replayed = server_.command({"replay", text(job, "id")});
  EXPECT_EQ(replayed.status, 0) << replayed.output;
  const auto result = json::parse(user.send("GET", "/jobs/" + text(job, "id") + "/result").body);
  EXPECT_EQ(integer(result.at("summary").at("labels"), "face"), 5);
  EXPECT_EQ(text(result.at("provenance"), "model_sha256"), text(json::parse(added.body), "sha256"));
  ASSERT_EQ(send_form(admin_, form(manifest("blazeface-front", "later"), "blazeface-front.onnx",
                                   "astronaut.jpg"))
                .status,
            201);
  EXPECT_EQ(text(run("later"), "status"), "COMPLETED");

  const auto tested = admin_.send("POST", "/admin/models/mine/test");
  EXPECT_EQ(tested.status, 200);
  EXPECT_TRUE(json::parse(tested.body).at("sound").as_bool()) << tested.body;
  EXPECT_EQ(admin_.send("DELETE", "/admin/models/mine").status, 204);
  EXPECT_FALSE(has("mine"));
  EXPECT_EQ(admin_.send("DELETE", "/admin/models/mine").status, 404);
  EXPECT_EQ(admin_.send("POST", "/admin/models/mine/test").status, 404);
  EXPECT_EQ(admin_.send("DELETE", "/admin/models/centernet").status, 409);
  for (const char* name : {"%00", "%ff", "a%00b", "%2e%2e%2fx", "A"}) {
    EXPECT_EQ(admin_.send("DELETE", std::string{"/admin/models/"} + name).status, 404) << name;
    EXPECT_EQ(admin_.send("POST", std::string{"/admin/models/"} + name + "/test").status, 404);
  }
  EXPECT_EQ(server_.value(R"(SELECT count(*) FROM "Blobs" WHERE "expires_at" <= now())"), "1");
}

// Its segments are looked for like all others, also those that go first.
TEST_F(Models, ThatAreAddedAreInTheQueue) {
  TestUser user{server_};
  const auto dataset = user.create_dataset("faces");
  const auto clip = user.upload(dataset, INFERNODE_SOURCE_DIR "/examples/astronaut.mp4");
  const auto video = text(json::parse(clip.body), "id");
  const pid_t worker = server_.spawn({"worker"});
  workers_.push_back(worker);
  ASSERT_EQ(send_form(admin_, mine()).status, 201);
  wait_until("the worker to offer it", [&] {
    return server_.value(R"(SELECT count(*) FROM "Workers"
                             WHERE array_to_string("models", ' ') LIKE '%mine@%')") == "1";
  });
  std::this_thread::sleep_for(std::chrono::seconds{2});  // it has looked at the queue since
  ::kill(worker, SIGSTOP);
  const auto job = start(user, video, "mine");
  server_.sql(R"(UPDATE "Segments" SET "urgent" = true, "claimable_at" = now() - interval '20 s'
                  WHERE "state" = 'PENDING')");
  ::kill(worker, SIGCONT);
  EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
}

// One that was added works beside those of the folder.
TEST_F(Models, OfOnePipelineAreInSeveralFolders) {
  TestUser user{server_};
  const auto dataset = user.create_dataset("signs");
  const auto clip = user.upload(dataset, INFERNODE_SOURCE_DIR "/examples/signs.mp4");
  const auto video = text(json::parse(clip.body), "id");
  workers_.push_back(server_.spawn({"worker"}));
  ASSERT_EQ(
      send_form(admin_, form(manifest("ppocr-v4-line", "mine"), "ppocr-v4-line.onnx", "line.jpg"))
          .status,
      201);
  const auto read_with = [&](const char* reader) {
    json::object params{{"pipeline", "text"}, {"end_frame", 1}, {"images", false}};
    if (reader != nullptr) {
      params.emplace("reader", reader);
    }
    const json::object request{{"video_ids", {video}}, {"params", params}};
    const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
    const auto ended = user.wait_for_end(job);
    EXPECT_EQ(text(ended, "status"), "COMPLETED") << json::serialize(ended);
    const auto result = user.call(200, "GET", "/jobs/" + job + "/result");
    std::set<std::string> lines;
    const auto objects = result.at("frames").at(0).at("objects");
    for (const auto& object : objects.as_array()) {
      lines.insert(text(object, "text"));
    }
    const auto hashes = text(result.at("provenance"), "model_sha256");
    EXPECT_EQ(hashes.size(), 3 * 64 + 2 * 3U) << hashes;
    return lines;
  };
  const auto lines = read_with("mine");
  EXPECT_TRUE(lines.contains("NOPARKING"));
  EXPECT_EQ(lines.size(), 6U);
  EXPECT_EQ(read_with(nullptr), lines);
  const json::object wrong{{"video_ids", {video}},
                           {"params", {{"pipeline", "text"}, {"reader", "ppocr-v4-regions"}}}};
  const auto refused = user.call(422, "POST", "/jobs", wrong);
  EXPECT_EQ(text(refused.at("errors").at(0), "pointer"), "/params/reader");
}

// A job that was accepted with one is not worked on with another.
TEST_F(Models, UnderOneNameAreNotTakenForEachOther) {
  TestUser user{server_};
  const auto dataset = user.create_dataset("faces");
  const auto clip = user.upload(dataset, INFERNODE_SOURCE_DIR "/examples/astronaut.mp4");
  const auto video = text(json::parse(clip.body), "id");
  ASSERT_EQ(send_form(admin_, mine()).status, 201);
  const auto job = start(user, video, "mine");
  ASSERT_EQ(admin_.send("DELETE", "/admin/models/mine").status, 204);
  ASSERT_EQ(send_form(admin_, form(manifest("blazeface-front", "mine"), "blazeface-front.onnx",
                                   "astronaut.jpg"))
                .status,
            201);
  workers_.push_back(server_.spawn({"worker"}));
  EXPECT_EQ(text(user.wait_for_end(start(user, video, "mine")), "status"), "COMPLETED");
  const auto waits = user.call(200, "GET", "/jobs/" + job);
  EXPECT_EQ(text(waits, "status"), "PENDING");
  EXPECT_NE(text(waits.at("waiting"), "detail").find("the model mine."), std::string::npos)
      << json::serialize(waits);
  ASSERT_EQ(admin_.send("DELETE", "/admin/models/mine").status, 204);
  ASSERT_EQ(send_form(admin_, mine()).status, 201);
  EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
}

TEST_F(Models, ThatAreWrongLeaveNothingBehind) {
  const auto sound =
      form(manifest("blazeface-back", "wrong"), "blazeface-back.onnx", "astronaut.jpg");
  const auto with = [&](std::size_t part, std::string bytes) {
    auto changed = sound;
    changed[part].bytes = std::move(bytes);
    return changed;
  };
  auto no_golden = manifest("blazeface-back", "wrong");
  no_golden.erase("golden");
  auto expecting_more = manifest("blazeface-back", "wrong");
  expecting_more["golden"].as_object()["objects"].as_array().push_back(
      {{"label", "face"}, {"confidence", 0.9}, {"box", {1, 1, 30, 30}}});
  auto other_hash = manifest("blazeface-back", "wrong");
  other_hash["sha256"] = std::string(64, 'a');
  struct Case {
    int status;
    std::string pointer;
    std::vector<Part> parts;
  };
  const std::vector<Case> cases{
      {422, "/model", with(1, "no model")},
      {422, "/model", with(1, sound[1].bytes.substr(0, 300'000))},
      {422, "/model",
       form(manifest("blazeface-back", "wrong"), "blazeface-front.onnx", "astronaut.jpg")},
      {422, "/model", with(2, "GIF89a, no picture")},
      {422, "/manifest/golden", with(2, text_of(std::string{INFERNODE_MODELS} + "/walker.jpg"))},
      {422, "/manifest/golden", with(0, json::serialize(no_golden))},
      {422, "/manifest/golden", with(0, json::serialize(expecting_more))},
      {422, "/manifest/sha256", with(0, json::serialize(other_hash))},
      {422, "/manifest", with(0, "{")},
      {422, "/manifest/pipeline", with(0, R"({"pipeline": 7})")},
      {422, "/manifest", {sound[1], sound[2]}},
      {422, "/model", {sound[0], sound[2]}},
      {422, "/picture", {sound[0], sound[1]}},
      {422, "/model", {sound[0], sound[1], sound[1], sound[2]}},
      {422, "/more", {sound[0], sound[1], sound[2], {"more", "x"}}},
      {409, "",
       form(manifest("blazeface-back", "centernet"), "blazeface-back.onnx", "astronaut.jpg")},
      {422, "/manifest", with(0, "name: \xff")},
      {422, "/manifest", with(0, "name: a" + std::string(1, '\0'))},
      {413, "/picture", with(2, std::string(9'000'000, ' '))},
      {413, "/manifest", with(0, std::string(2'000'000, ' '))}};
  for (const auto& [status, pointer, parts] : cases) {
    const auto answer = send_form(admin_, parts);
    EXPECT_EQ(answer.status, status) << pointer << " " << answer.body;
    if (!pointer.empty()) {
      const auto problem = json::parse(answer.body);
      const auto* errors = problem.as_object().if_contains("errors");
      ASSERT_NE(errors, nullptr) << answer.body;
      bool named = false;
      for (const auto& error : errors->as_array()) {
        named = named || text(error, "pointer") == pointer;
      }
      EXPECT_TRUE(named) << pointer << " " << answer.body;
    }
  }
  TestUser user{server_};
  EXPECT_EQ(send_form(user, sound).status, 403);
  EXPECT_EQ(user.send("DELETE", "/admin/models/centernet").status, 403);
  EXPECT_EQ(server_.value(R"(SELECT count(*) FROM "Models")"), "0");
  EXPECT_EQ(server_.value(R"(SELECT count(*) FROM "AuditEntries" WHERE "action" LIKE 'model.%')"),
            "0");
  wait_until("staged bytes to be swept",
             [&] { return server_.value(R"(SELECT count(*) FROM "Blobs")") == "0"; });
}

// Two at once under one name: one is kept.
TEST_F(Models, OfOneNameAreOne) {
  const auto sound =
      form(manifest("blazeface-back", "twin"), "blazeface-back.onnx", "astronaut.jpg");
  std::array<int, 3> statuses{};
  std::vector<std::thread> threads;
  for (auto& status : statuses) {
    threads.emplace_back([&] { status = send_form(admin_, sound).status; });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 201), 1);
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 409), 2);
}

TEST_F(Models, AreBroughtByTheCommandLineToo) {
  TemporaryFolder folder;
  const auto file = (folder.path() / "m.json").string();
  std::ofstream{file} << json::serialize(manifest("blazeface-back", "mine"));
  const std::string models = INFERNODE_MODELS "/";
  const auto added = server_.command({"models:add", models + "blazeface-back.onnx", "--manifest",
                                      file, "--picture", models + "astronaut.jpg"});
  EXPECT_EQ(added.status, 0) << added.output;
  wait_until("the server to have it", [&] { return has("mine"); });
  EXPECT_EQ(server_
                .command({"models:add", models + "blazeface-back.onnx", "--manifest", file,
                          "--picture", models + "astronaut.jpg"})
                .status,
            1);
  EXPECT_EQ(server_.command({"models:remove", "mine"}).status, 0);
  wait_until("the server to have it no more", [&] { return !has("mine"); });
  const auto gone = server_.command({"models:remove", "mine"});
  EXPECT_EQ(gone.status, 1);
  EXPECT_NE(gone.output.find("No model mine"), std::string::npos) << gone.output;
}

}  // namespace
}  // namespace infernode::test
