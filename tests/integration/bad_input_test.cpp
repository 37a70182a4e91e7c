// Goal: bad input gets a problem document that says what is wrong, and leaves nothing behind.
// Method: each kind of it against the real server; rows, blobs and balances counted before and
// after.
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "media/zip_writer.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

class BadInput : public testing::Test {
protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>(
        std::map<std::string, std::string>{{"INFERNODE_UPLOAD_MAX_BYTES", "5000000"}});
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    user_ = std::make_unique<TestUser>(*server_);
    dataset_ = user_->create_dataset("bad");
  }

  // What could be left behind.
  static std::string remains() {
    return server_->value(R"(SELECT (SELECT count(*) FROM "Blobs") || ' blobs, ' ||
        (SELECT count(*) FROM "BlobChunks") || ' chunks, ' || (SELECT count(*) FROM "Videos") || ' videos, ' ||
        (SELECT count(*) FROM "LedgerEntries") || ' entries')");
  }

  std::filesystem::path write(const std::string& name, const std::vector<std::byte>& bytes) {
    const auto file = folder_.path() / name;
    std::ofstream out{file, std::ios::binary};
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    return file;
  }

  // Uploads, expects this status, and that nothing is left.
  void expect_refused(int status, const std::string& file, const std::vector<std::byte>& bytes) {
    const std::string before = remains();
    const auto answer = user_->upload(dataset_, write(file, bytes));
    EXPECT_EQ(answer.status, status) << file << ": " << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
    const auto problem = json::parse(answer.body);
    EXPECT_EQ(integer(problem, "status"), status);
    EXPECT_EQ(text(problem.at("errors").at(0), "pointer"), "/file");
    EXPECT_FALSE(text(problem, "detail").empty());
    EXPECT_EQ(remains(), before) << file;
    EXPECT_EQ(user_->balance().to_string(), "100.000");
  }

  // Sends bytes as they are, and returns what comes back until the server closes.
  static std::string raw(const std::string& request, bool then_close = false) {
    asio::io_context context;
    asio::ip::tcp::socket socket{context};
    socket.connect({asio::ip::make_address("127.0.0.1"), server_->port()});
    boost::system::error_code error;
    asio::write(socket, asio::buffer(request), error);
    if (then_close) {
      socket.close();
      return "";
    }
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    return answer;
  }

  static std::unique_ptr<TestServer> server_;
  std::unique_ptr<TestUser> user_;
  std::string dataset_;
  TemporaryFolder folder_;
};
std::unique_ptr<TestServer> BadInput::server_;

TEST_F(BadInput, FilesThatAreNoWholeVideo) {
  const auto clip = read_file(kClip);
  expect_refused(415, "text.mp4", std::vector<std::byte>(100'000, std::byte{'x'}));
  expect_refused(422, "empty.mp4", {});
  auto cut = clip;
  cut.resize(cut.size() / 2);
  expect_refused(422, "cut.mp4", cut);
  const std::string text = "no video either";
  media::ZipEntry entry{"inside.txt", 0, static_cast<std::uint32_t>(text.size()), 0};
  entry.crc32 = media::crc32_of(std::as_bytes(std::span{text}));
  std::vector<std::byte> zip = media::zip_local_header(entry);
  const auto content = std::as_bytes(std::span{text});
  zip.insert(zip.end(), content.begin(), content.end());
  const auto directory = media::zip_directory_record(entry);
  const auto end = media::zip_end(1, zip.size(), directory.size());
  zip.insert(zip.end(), directory.begin(), directory.end());
  zip.insert(zip.end(), end.begin(), end.end());
  expect_refused(415, "zip.mp4", zip);
  expect_refused(415, "picture.mp4", read_file(INFERNODE_SOURCE_DIR "/models/street.jpg"));
  expect_refused(413, "large.mp4", std::vector<std::byte>(6'000'000, std::byte{0}));
}

TEST_F(BadInput, UploadsThatAreNoForm) {
  const std::string before = remains();
  const std::string path = "/datasets/" + dataset_ + "/videos";
  const auto post = [&](const std::string& type, const std::string& body) {
    return user_->send("POST", path, body, {{"Content-Type", type}}).status;
  };
  const std::string form = "multipart/form-data; boundary=b";
  EXPECT_EQ(post("application/json", "{}"), 415);
  EXPECT_EQ(post("multipart/form-data", "x"), 415);
  EXPECT_EQ(post(form, "no boundary"), 400);
  const std::string file = "--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n";
  EXPECT_EQ(post(form, file + std::string(1'000'000, 'x')), 400);  // without end
  EXPECT_EQ(post(form, "--b\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--b--"), 422);
  EXPECT_EQ(post(form, "--b\r\nContent-Disposition: form-data; name=name\r\n\r\nx\r\n--b--"), 422);
  EXPECT_EQ(post(form, file + "x\r\n" + file + "x\r\n--b--"), 422);
  EXPECT_EQ(remains(), before);
}

TEST_F(BadInput, AClientThatGoesAwayInTheMiddle) {
  const std::string before = remains();
  const auto login = user_->send(
      "POST", "/auth/login",
      json::serialize(json::object{{"email", user_->email()}, {"password", "a good password"}}));
  const std::string request =
      "POST /api/v1/datasets/" + dataset_ +
      "/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
      text(json::parse(login.body), "token") +
      "\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 4000000\r\n\r\n"
      "--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n" +
      std::string(2'000'000, 'x');
  raw(request, true);
  std::string after;
  for (int i = 0; i < 200 && (after = remains()) != before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  EXPECT_EQ(after, before);
}

TEST_F(BadInput, AQueryOfMorePairsThanAnyRequestNeeds) {
  std::string query = "?tag=a";
  for (int i = 1; i < 100; ++i) {
    query += "&tag=a";
  }
  EXPECT_NE(user_->send("GET", "/datasets" + query).status, 400);
  EXPECT_EQ(user_->send("GET", "/datasets" + query + "&tag=a").status, 400);
}

TEST_F(BadInput, JsonThatIsTooLargeIsAnsweredWithoutReadingIt) {
  const std::string head =
      "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  EXPECT_NE(raw(head + "Content-Length: 104857600\r\n\r\n{").find("HTTP/1.1 413"),
            std::string::npos);
  // Credentials are small.
  EXPECT_NE(raw(head + "Content-Length: 4097\r\n\r\n{").find("4096 bytes at most"),
            std::string::npos);
  // The same without saying how long it is.
  std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 40; ++i) {
    chunked += "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
  }
  EXPECT_NE(raw(chunked).find("HTTP/1.1 413"), std::string::npos);
}

TEST_F(BadInput, WhatIsNoHttp) {
  EXPECT_NE(raw("nonsense\r\n\r\n").find("HTTP/1.1 400"), std::string::npos);
  EXPECT_NE(
      raw("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n").find("HTTP/1.1 431"),
      std::string::npos);
}

TEST_F(BadInput, BodiesThatDoNotFit) {
  const auto post = [&](const std::string& path, const std::string& body) {
    const auto answer = user_->send("POST", path, body);
    EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json") << body;
    return answer.status;
  };
  EXPECT_EQ(post("/datasets", "{"), 400);
  EXPECT_EQ(post("/datasets", "\"\\ud800\""), 400);
  EXPECT_EQ(post("/datasets", std::string(5000, '[')), 400);
  EXPECT_EQ(post("/datasets", R"({"name":"a\u0000b"})"), 400);
  EXPECT_EQ(post("/datasets", R"({"name":"a\nb"})"), 422);
  EXPECT_EQ(post("/datasets", R"({"name":1})"), 422);
  EXPECT_EQ(post("/datasets", R"({"name":"a","unknown":1})"), 422);
  EXPECT_EQ(post("/datasets", "{\"name\":\"" + std::string(300, 'x') + "\"}"), 422);
  // Long lists and deep pointers cost one walk, not a second and a gigabyte.
  std::string zeros = "0";
  std::string breaks = R"("\n")";
  for (int i = 0; i < 10'000; ++i) {
    zeros += ",0";
    breaks += R"(,"\n")";
  }
  EXPECT_EQ(post("/datasets", R"({"name":"a","tags":[)" + zeros + "]}"), 422);
  EXPECT_EQ(post("/datasets", R"({"name":"a","tags":[)" + std::string(140'000, ' ') + "]}"), 413);
  const std::string long_name = "{\"" + std::string(3'000, 'k') + "\":[";
  EXPECT_EQ(post("/auth/login", long_name + R"("\n"]})"), 422);
  EXPECT_EQ(post("/auth/login", long_name + breaks + "]}"), 413);
  EXPECT_EQ(post("/datasets", "{\"" + std::string(10'000, 'k') + "\":[" + breaks + "]}"), 422);
  EXPECT_EQ(post("/datasets", R"({"name":"a","tags":["x","x"]})"), 422);
  EXPECT_EQ(user_->send("GET", "/datasets?%00%ff=1").status, 400);
  EXPECT_EQ(user_->send("POST", "/datasets", "name=a", {{"Content-Type", "text/plain"}}).status,
            415);
  EXPECT_EQ(user_->send("PUT", "/datasets").status, 405);
  EXPECT_EQ(user_->send("GET", "/nothing").status, 404);
  EXPECT_EQ(user_->send("GET", "/datasets/not-an-id").status, 404);
  EXPECT_EQ(user_->send("GET", "/datasets?limit=1000").status, 422);
  EXPECT_EQ(user_->send("GET", "/datasets?cursor=x").status, 422);
}

TEST_F(BadInput, ParamsThatContradictThemselves) {
  const auto footage = user_->with_footage("params");
  const auto before = user_->balance();
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"pipeline":"detect","start_frame":120})", "/params/start_frame"},
      {R"({"pipeline":"detect","end_frame":121})", "/params/end_frame"},
      {R"({"pipeline":"detect","start_frame":9,"end_frame":9})", "/params/end_frame"},
      {R"({"pipeline":"detect","frame_step":0})", "/params/frame_step"},
      {R"({"pipeline":"detect","confidence":1.5})", "/params/confidence"},
      {R"({"pipeline":"detect","classes":["unicorn"]})", "/params/classes/0"},
      {R"({"pipeline":"detect","image_quality":101})", "/params/image_quality"},
      {R"({"pipeline":"detect","model":"none"})", "/params/model"},
      {R"({"pipeline":"magic"})", "/params/pipeline"},
      {R"({"pipeline":"detect","start_frame":99999999999})", "/params/start_frame"}};
  for (const auto& [params, pointer] : cases) {
    const auto answer = user_->send(
        "POST", "/jobs", R"({"video_ids":[")" + footage.video + R"("],"params":)" + params + "}");
    EXPECT_EQ(answer.status, 422) << params;
    EXPECT_EQ(text(json::parse(answer.body).at("errors").at(0), "pointer"), pointer) << answer.body;
  }
  const auto body = [&](const std::string& rest) {
    return R"({"params":{"pipeline":"detect"})" + rest + "}";
  };
  EXPECT_EQ(user_->send("POST", "/jobs", body("")).status, 422);
  EXPECT_EQ(user_->send("POST", "/jobs", body(R"(,"video_ids":[])")).status, 422);
  EXPECT_EQ(user_->send("POST", "/jobs", body(R"(,"dataset_id":")" + dataset_ + "\"")).status,
            422);  // empty
  EXPECT_EQ(
      user_->send("POST", "/jobs", body(R"(,"dataset_id":"5eed0000-0000-4000-8000-000000000001")"))
          .status,
      404);
  EXPECT_EQ(user_->balance(), before);
  EXPECT_EQ(user_->call(200, "GET", "/jobs").at("items").as_array().size(), 0U);
}

// Each endpoint that takes JSON, and what none of them may take. `field` is one of its texts.
TEST_F(BadInput, WhatNoEndpointTakes) {
  TestUser admin{*server_, TestUser::admin};
  TestUser other{*server_};
  const std::string theirs = "/datasets/" + other.create_dataset("theirs");
  struct Endpoint {
    TestUser& as;
    const char* method;
    std::string path;
    std::string field;  // a text
    std::string rest;   // what else it needs
  };
  const std::vector<Endpoint> endpoints{
      {*user_, "POST", "/auth/register", "email", R"("password":"long enough")"},
      {*user_, "POST", "/auth/login", "email", R"("password":"long enough")"},
      {*user_, "POST", "/users/me/password", "new_password",
       R"("current_password":"a good password")"},
      {*user_, "POST", "/datasets", "name", R"("tags":[])"},
      {*user_, "PATCH", "/datasets/" + dataset_, "name", R"("tags":[])"},
      {*user_, "POST", "/jobs/quote", "dataset_id", R"("params":{"pipeline":"detect"})"},
      {*user_, "POST", "/jobs", "dataset_id", R"("params":{"pipeline":"detect"})"},
      {admin, "PATCH", "/admin/users/" + user_->id(), "role", R"("disabled":false)"},
      {admin, "POST", "/admin/users/" + user_->id() + "/recharge", "note", R"("tokens":1)"},
      {admin, "POST", "/admin/tags", "name", ""}};
  const auto everything = [&] {
    return remains() +
           server_->value(R"(SELECT ', ' || (SELECT count(*) FROM "Users") || ' users, ' ||
        (SELECT count(*) FROM "Datasets") || (SELECT string_agg(name, ',' ORDER BY id) FROM "Datasets") ||
        (SELECT count(*) FROM "Tags") || ' tags, ' || (SELECT count(*) FROM "InferenceJobs") || ' jobs, ' ||
        (SELECT count(*) FROM "AuditEntries") || ' acts, ' || (SELECT count(*) FROM "IdempotencyKeys") ||
        ' keys')");
  };
  const std::string before = everything();
  for (const auto& [as, method, path, field, rest] : endpoints) {
    const std::string more = rest.empty() ? "" : "," + rest;
    const auto with = [&, &field = field](const std::string& value) {
      return "{\"" + field + "\":" + value + more + "}";
    };
    const std::vector<std::pair<int, std::string>> refused{
        {422, with("5")},
        {422, with("null")},
        {422, with("[\"x\"]")},
        {422, with("{\"x\":1}")},
        {422, with("\"\"")},
        {422, with("\"" + std::string(300, 'x') + "\"")},
        {422, with("\"a\\u0007b\"")},
        {422, with("\"a\\u007fb\"")},
        {422, with("\"x@example.com\",\"unknown\":1")},
        {422, "[]"},
        {422, "\"text\""},
        {422, "{}"},
        {400, with("\"\\ud800\"")},
        {400, with("\"\\udc00\\ud800\"")},
        {400, with("\"\xed\xa0\x80\"")},
        {400, with("\"\xff\"")},
        {400, with("\"a\\u0000b\"")},
        {400, with(std::string(40, '[') + std::string(40, ']'))},
        {400, with("\"first\",\"" + field + "\":\"second\"")},
        {400, with("\"x\"") + "{}"},
        {400, "{"},
        {400, ""}};
    for (const auto& [status, body] : refused) {
      if (body == "{}" && rest.empty() && std::string{method} == "PATCH") {
        continue;
      }
      const auto answer = as.send(method, path, body, {{"Content-Type", "application/json"}});
      EXPECT_EQ(answer.status, status) << method << " " << path << " " << body << "\n"
                                       << answer.body;
      EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
    }
    EXPECT_EQ(as.send(method, path, with("\"x\""), {{"Content-Type", "text/plain"}}).status, 415);
  }
  // Ids of others, and ids that are none, are all the same: not there.
  const std::vector<std::array<std::string, 3>> foreign{
      {"GET", theirs, ""},
      {"PATCH", theirs, R"({"name":"mine"})"},
      {"DELETE", theirs, ""},
      {"POST", theirs + "/restore", ""},
      {"GET", theirs + "/videos", ""},
      {"GET", "/datasets/nonsense", ""},
      {"GET", "/videos/%00", ""},
      {"POST", "/jobs/nonsense/abort", ""},
      {"POST", "/jobs",
       R"({"dataset_id":")" + theirs.substr(10) + R"(","params":{"pipeline":"detect"}})"}};
  for (const auto& [method, path, body] : foreign) {
    EXPECT_EQ(user_->send(method, path, body).status, 404) << method << " " << path;
  }
  EXPECT_EQ(everything(), before);
}

TEST_F(BadInput, AFormWithAFieldTwice) {
  const std::string before = remains();
  const std::string part = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n";
  const auto answer =
      user_->send("POST", "/datasets/" + dataset_ + "/videos", part + part + "--b--\r\n",
                  {{"Content-Type", "multipart/form-data; boundary=b"}});
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(text(json::parse(answer.body).at("errors").at(0), "pointer"), "/name");
  EXPECT_EQ(remains(), before);
}

TEST_F(BadInput, TooFewTokens) {
  const auto footage = user_->with_footage("poor");
  server_->spend(user_->email(), "99.78");
  const std::string before = remains();
  const auto upload = user_->upload(footage.dataset, kClip);
  EXPECT_EQ(upload.status, 402);
  const auto problem = json::parse(upload.body);
  EXPECT_DOUBLE_EQ(problem.at("required").as_double(), 0.12);
  EXPECT_DOUBLE_EQ(problem.at("available").as_double(), 0.1);
  EXPECT_EQ(
      user_
          ->send("POST", "/jobs",
                 R"({"video_ids":[")" + footage.video + R"("],"params":{"pipeline":"detect"}})")
          .status,
      402);
  EXPECT_EQ(remains(), before);
  EXPECT_EQ(user_->balance().to_string(), "0.100");
}

TEST_F(BadInput, NeverReachesTheLogAsASecret) {
  EXPECT_EQ(server_->log().find("a good password"), std::string::npos);
  EXPECT_EQ(server_->log().find("Bearer"), std::string::npos);
}

}  // namespace
}  // namespace infernode::test
