// Goal: a video arrives over a line that breaks, once and whole, by tus 1.0.0 as its specification
// says it (docs/uploads.md has the table).
// Method: the real server; plain requests, lines that are cut, servers that are killed.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <boost/asio.hpp>
#include <boost/crc.hpp>
#include <cstring>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Headers = std::map<std::string, std::string>;

std::string digest(const EVP_MD* algorithm, std::string_view bytes) {
  std::string text(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(text.data()), &size,
             algorithm, nullptr);
  text.resize(size);
  return text;
}

std::string crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const auto sum = crc.checksum();
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += static_cast<char>(sum >> shift & 0xff);
  }
  return text;
}

std::string clip() {
  const auto bytes = read_file(kClip.string());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The clip, and behind it a box that every player skips.
std::string long_clip() {
  auto bytes = clip();
  const std::uint32_t size = 3'000'000;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(size >> shift & 0xff);
  }
  return bytes + "free" + std::string(size - 8, '\0');
}

// The newest event of an upload, by its number: times are those at which transactions began.
std::string last_told(const TestServer& server) {
  return server.value(
      R"(SELECT body->>'state' FROM "Events" WHERE type = 'upload' ORDER BY id DESC LIMIT 1)");
}

class Tus : public testing::Test {
protected:
  http::ClientResponse create(TestUser& user, const std::string& dataset, std::size_t length,
                              const std::string& more = "", const std::string& body = "") {
    Headers headers{{"Tus-Resumable", "1.0.0"},
                    {"Upload-Length", std::to_string(length)},
                    {"Upload-Metadata",
                     "filename " + base64("street.mp4") + ",dataset_id " + base64(dataset) + more}};
    if (!body.empty()) {
      headers.emplace("Content-Type", "application/offset+octet-stream");
    }
    return user.send("POST", "/uploads", body, headers);
  }
  // Its path, as TestUser takes it.
  static std::string place(const http::ClientResponse& created) {
    EXPECT_EQ(created.status, 201) << created.body;
    const auto found = created.headers.find("location");
    return found == created.headers.end() ? "" : found->second.substr(std::strlen("/api/v1"));
  }
  static http::ClientResponse patch(TestUser& user, const std::string& path, std::size_t offset,
                                    const std::string& body, const std::string& checksum = "") {
    Headers headers{{"Tus-Resumable", "1.0.0"},
                    {"Upload-Offset", std::to_string(offset)},
                    {"Content-Type", "application/offset+octet-stream"}};
    if (!checksum.empty()) {
      headers.emplace("Upload-Checksum", checksum);
    }
    return user.send("PATCH", path, body, headers);
  }
  static std::size_t offset(TestUser& user, const std::string& path) {
    const auto head = user.send("HEAD", path, "", {{"Tus-Resumable", "1.0.0"}});
    EXPECT_EQ(head.status, 200);
    return head.status == 200 ? std::stoul(head.headers.at("upload-offset")) : 0;
  }
  // A line of its own, on which not all that was announced comes: the head, with `fields` besides.
  static asio::ip::tcp::socket begin(const TestServer& server, TestUser& user,
                                     asio::io_context& context, const std::string& request,
                                     const Headers& fields, std::size_t announced) {
    std::string head = request + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
                       user.token() + "\r\nTus-Resumable: 1.0.0\r\n" +
                       "Content-Type: application/offset+octet-stream\r\n";
    for (const auto& [name, value] : fields) {
      head += name + ": " + value + "\r\n";
    }
    asio::ip::tcp::socket line{context};
    line.connect({asio::ip::address_v4::loopback(), server.port()});
    asio::write(line,
                asio::buffer(head + "Content-Length: " + std::to_string(announced) + "\r\n\r\n"));
    return line;
  }
  static asio::ip::tcp::socket begin_patch(const TestServer& server, TestUser& user,
                                           asio::io_context& context, const std::string& path,
                                           std::size_t at, std::size_t announced) {
    return begin(server, user, context, "PATCH /api/v1" + path,
                 {{"Upload-Offset", std::to_string(at)}}, announced);
  }
  static std::string nothing_staged(const TestServer& server) {
    return server.value("SELECT count(*) FROM \"Blobs\" WHERE expires_at > now()");
  }
};

TEST_F(Tus, AFileArrivesInPieces) {
  TestServer server;
  TestUser user{server};
  const auto dataset = user.create_dataset("pieces");
  const auto bytes = clip();
  const auto path = place(create(user, dataset, bytes.size()));
  EXPECT_EQ(offset(user, path), 0U);
  const std::vector<std::size_t> ends{1, 64, 100'001, 600'000, bytes.size()};
  std::size_t at = 0;
  http::ClientResponse last;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const auto piece = bytes.substr(at, ends[i] - at);
    const std::vector<std::string> checksums{"", "sha1 " + base64(digest(EVP_sha1(), piece)),
                                             "sha256 " + base64(digest(EVP_sha256(), piece)),
                                             "crc32c " + base64(crc32c(piece)), ""};
    last = patch(user, path, at, piece, checksums[i]);
    ASSERT_EQ(last.status, 204) << last.body;
    at = ends[i];
    EXPECT_EQ(last.headers.at("upload-offset"), std::to_string(at));
    EXPECT_EQ(last.headers.at("tus-resumable"), "1.0.0");
  }
  const auto video = user.call(200, "GET", "/videos/" + last.headers.at("x-video"));
  EXPECT_EQ(text(video, "sha256"), sha256_of_file(kClip));
  EXPECT_EQ(text(video, "name"), "street.mp4");
  EXPECT_EQ(user.balance().to_string(), "99.880");
  const auto content = server.folder() / "content.mp4";
  EXPECT_EQ(user.client()
                .download("/api/v1/videos/" + last.headers.at("x-video") + "/content", content)
                .status,
            200);
  EXPECT_EQ(sha256_of_file(content), sha256_of_file(kClip));
  // Whoever lost the last answer finds out.
  EXPECT_EQ(offset(user, path), bytes.size());
  const auto upload = user.call(200, "GET", path);
  EXPECT_EQ(text(upload, "state"), "accepted");
  EXPECT_EQ(patch(user, path, bytes.size(), "").status, 409);
  EXPECT_TRUE(user.call(200, "GET", "/uploads").at("items").as_array().empty());
  EXPECT_EQ(nothing_staged(server), "0");
  // All at once, with the first request.
  const auto whole = create(user, dataset, bytes.size(), "", bytes);
  ASSERT_EQ(whole.status, 201) << whole.body;
  EXPECT_TRUE(whole.headers.contains("x-video"));
  EXPECT_EQ(whole.headers.at("upload-offset"), std::to_string(bytes.size()));
  EXPECT_EQ(user.balance().to_string(), "99.760");
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"),
            static_cast<std::int64_t>(bytes.size()));
}

TEST_F(Tus, FollowsItsSpecification) {
  TestServer server{{{"INFERNODE_UPLOAD_MAX_BYTES", "10000000"}, {"INFERNODE_SWEEP_SECONDS", "1"}}};
  TestUser user{server};
  TestUser other{server};
  const auto dataset = user.create_dataset("rules");
  const auto described = user.send("OPTIONS", "/uploads");
  EXPECT_EQ(described.status, 204);
  EXPECT_EQ(described.headers.at("tus-version"), "1.0.0");
  EXPECT_EQ(described.headers.at("tus-resumable"), "1.0.0");
  EXPECT_EQ(described.headers.at("tus-max-size"), "10000000");
  EXPECT_EQ(described.headers.at("tus-extension"),
            "creation,creation-with-upload,expiration,checksum,termination");
  EXPECT_EQ(described.headers.at("tus-checksum-algorithm"), "sha1,sha256,crc32c");

  const auto created = create(user, dataset, 1000);
  const auto path = place(created);
  EXPECT_TRUE(created.headers.at("upload-expires").ends_with(" GMT"));
  const auto head = user.send("HEAD", path, "", {{"Tus-Resumable", "1.0.0"}});
  EXPECT_EQ(head.headers.at("upload-length"), "1000");
  EXPECT_EQ(head.headers.at("cache-control"), "no-store");
  EXPECT_EQ(head.headers.at("upload-metadata"),
            "filename " + base64("street.mp4") + ",dataset_id " + base64(dataset));
  EXPECT_EQ(user.send("OPTIONS", path).status, 204);
  EXPECT_EQ(user.send("OPTIONS", path, "", {{"Tus-Resumable", "0.2.2"}}).status, 204);

  const std::string bytes(10, 'x');
  const std::string tus_type = "application/offset+octet-stream";
  const std::string wrong_sum = "sha1 " + base64(digest(EVP_sha1(), "other bytes"));
  struct Refused {
    const char* what;
    int status;
    std::string method;
    std::string path;
    Headers headers;
    std::string body;
  };
  const std::string metadata = "name " + base64("x") + ",dataset_id " + base64(dataset);
  const std::vector<Refused> cases{
      {"no version",
       412,
       "PATCH",
       path,
       {{"Upload-Offset", "0"}, {"Content-Type", tus_type}},
       bytes},
      {"another version",
       412,
       "PATCH",
       path,
       {{"Tus-Resumable", "0.2.2"}, {"Upload-Offset", "0"}, {"Content-Type", tus_type}},
       bytes},
      {"HEAD without version", 412, "HEAD", path, {}, ""},
      {"another type",
       415,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "0"}, {"Content-Type", "video/mp4"}},
       bytes},
      {"another offset",
       409,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "5"}, {"Content-Type", tus_type}},
       bytes},
      {"no offset",
       400,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"}, {"Content-Type", tus_type}},
       bytes},
      {"a negative offset",
       400,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "-0"}, {"Content-Type", tus_type}},
       bytes},
      {"more than announced",
       413,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "0"}, {"Content-Type", tus_type}},
       std::string(1001, 'x')},
      {"other bytes",
       460,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"},
        {"Upload-Offset", "0"},
        {"Content-Type", tus_type},
        {"Upload-Checksum", wrong_sum}},
       bytes},
      {"another algorithm",
       400,
       "PATCH",
       path,
       {{"Tus-Resumable", "1.0.0"},
        {"Upload-Offset", "0"},
        {"Content-Type", tus_type},
        {"Upload-Checksum", "md5 " + base64(std::string(16, 'x'))}},
       bytes},
      {"none there",
       404,
       "PATCH",
       "/uploads/5eed0000-0000-4000-8000-000000000000",
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", "0"}, {"Content-Type", tus_type}},
       bytes},
      {"another type at once",
       415,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"},
        {"Upload-Length", "10"},
        {"Upload-Metadata", metadata},
        {"Content-Type", "video/mp4"}},
       bytes},
      {"no length",
       400,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Metadata", metadata}},
       ""},
      {"a deferred length",
       400,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Defer-Length", "1"}, {"Upload-Metadata", metadata}},
       ""},
      {"an empty file",
       422,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Length", "0"}, {"Upload-Metadata", metadata}},
       ""},
      {"too large",
       413,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Length", "10000001"}, {"Upload-Metadata", metadata}},
       ""},
      {"no dataset",
       422,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"},
        {"Upload-Length", "5"},
        {"Upload-Metadata", "name " + base64("x")}},
       ""},
      {"no base64",
       400,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"}, {"Upload-Length", "5"}, {"Upload-Metadata", "name ***"}},
       ""},
      {"a key twice",
       400,
       "POST",
       "/uploads",
       {{"Tus-Resumable", "1.0.0"},
        {"Upload-Length", "5"},
        {"Upload-Metadata", metadata + "," + metadata}},
       ""}};
  for (const auto& each : cases) {
    const auto answer = user.send(each.method, each.path, each.body, each.headers);
    EXPECT_EQ(answer.status, each.status) << each.what << ": " << answer.body;
    EXPECT_EQ(answer.headers.count("tus-resumable"), 1U) << each.what;
    EXPECT_EQ(answer.headers.count("tus-version"), each.status == 412 ? 1U : 0U) << each.what;
    EXPECT_EQ(offset(user, path), 0U) << each.what;
  }
  // Nobody else's.
  EXPECT_EQ(other.send("HEAD", path, "", {{"Tus-Resumable", "1.0.0"}}).status, 404);
  EXPECT_EQ(patch(other, path, 0, bytes).status, 404);
  EXPECT_EQ(other.send("DELETE", path, "", {{"Tus-Resumable", "1.0.0"}}).status, 404);
  EXPECT_EQ(create(other, dataset, 10).status, 404);
  // Where a proxy lets nothing but POST through.
  Headers headers{{"Tus-Resumable", "1.0.0"},
                  {"Upload-Offset", "0"},
                  {"Content-Type", tus_type},
                  {"X-HTTP-Method-Override", "PATCH"}};
  EXPECT_EQ(user.send("POST", path, bytes, headers).status, 204);
  EXPECT_EQ(offset(user, path), 10U);
  headers["X-HTTP-Method-Override"] = "HEAD";
  EXPECT_EQ(user.send("POST", path, "", headers).headers.at("upload-offset"), "10");
  const auto missing =
      user.send("POST", "/uploads/5eed0000-0000-4000-8000-000000000000", "", headers);
  EXPECT_EQ(missing.status, 404);
  EXPECT_FALSE(missing.body.empty());
  headers["X-HTTP-Method-Override"] = "PUT";
  EXPECT_EQ(user.send("POST", path, bytes, headers).status, 405);

  const auto listed = user.call(200, "GET", "/uploads").at("items").as_array();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed.at(0).at("state"), "receiving");
  EXPECT_EQ(listed.at(0).at("offset"), 10);
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 1000);
  EXPECT_EQ(user.send("DELETE", path, "", {{"Tus-Resumable", "1.0.0"}}).status, 204);
  EXPECT_EQ(last_told(server), "deleted");
  EXPECT_EQ(user.send("HEAD", path, "", {{"Tus-Resumable", "1.0.0"}}).status, 404);
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 0);
  EXPECT_EQ(nothing_staged(server), "0");
  // No video: told as to a multipart upload, and nothing is left of it.
  const auto junk = place(create(user, dataset, 10));
  EXPECT_EQ(patch(user, junk, 0, bytes).status, 415);
  EXPECT_EQ(text(user.call(200, "GET", junk), "state"), "refused");
  EXPECT_EQ(user.send("HEAD", junk, "", {{"Tus-Resumable", "1.0.0"}}).status, 415);
  EXPECT_EQ(nothing_staged(server), "0");
  EXPECT_EQ(user.balance().to_string(), "100.000");
  // What came with the request that begins one is not kept when nobody was told of its place.
  {
    asio::io_context context;
    auto line = begin(server, user, context, "POST /api/v1/uploads",
                      {{"Upload-Length", "1000"}, {"Upload-Metadata", metadata}}, 1000);
    asio::write(line, asio::buffer(bytes));
    wait_until("it to be there",
               [&] { return !user.call(200, "GET", "/uploads").at("items").as_array().empty(); });
  }
  wait_until("it to be gone",
             [&] { return user.call(200, "GET", "/uploads").at("items").as_array().empty(); });
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 0);
  // What has expired is gone, and its room is free; more than the quota has is not begun.
  const auto expired = place(create(user, dataset, 1000));
  EXPECT_EQ(patch(user, expired, 0, bytes).status, 204);
  for (const char* table : {"Uploads", "Blobs"}) {
    server.sql("UPDATE \"" + std::string{table} + "\" SET expires_at = now() - interval '1 s'");
  }
  EXPECT_EQ(user.send("HEAD", expired, "", {{"Tus-Resumable", "1.0.0"}}).status, 404);
  EXPECT_EQ(patch(user, expired, 10, bytes).status, 404);
  wait_until("what expired to be swept", [&] {
    return server.value(
               "SELECT (SELECT count(*) FROM \"Uploads\") + "
               "(SELECT count(*) FROM \"Blobs\") + (SELECT count(*) FROM \"BlobParts\")") == "0";
  });
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 0);
  EXPECT_EQ(last_told(server), "deleted");
  server.sql("UPDATE \"Users\" SET storage_quota = 1500");
  const auto fits = place(create(user, dataset, 1000));
  const auto refused = create(user, dataset, 1000);
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("quota-exceeded"), std::string::npos) << refused.body;
  EXPECT_EQ(user.send("DELETE", fits).status, 204);
  // What goes into a dataset that is purged takes no room any more.
  const auto purged = user.create_dataset("purged");
  const auto into = place(create(user, purged, 1000));
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 1000);
  user.call(204, "DELETE", "/datasets/" + purged);
  user.call(204, "DELETE", "/datasets/" + purged + "?purge=true");
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 0);
  wait_until("the upload to be gone", [&] { return user.send("GET", into).status == 404; });
}

// A client that did not hear where its upload is asks again, with or without bytes.
TEST_F(Tus, BeginsOnceForAKey) {
  TestServer server;
  TestUser user{server};
  const auto dataset = user.create_dataset("again");
  Headers headers{
      {"Tus-Resumable", "1.0.0"},
      {"Upload-Length", "1000"},
      {"Upload-Metadata", "filename " + base64("street.mp4") + ",dataset_id " + base64(dataset)},
      {"Idempotency-Key", "k1"}};
  const auto send = [&](const std::string& body) {
    return user.send("POST", "/uploads", body, headers);
  };
  const auto first = place(send(""));
  EXPECT_EQ(place(send("")), first);
  EXPECT_EQ(patch(user, first, 0, "0123456789").status, 204);
  const auto later = send("");
  EXPECT_EQ(place(later), first);
  EXPECT_EQ(later.headers.at("upload-offset"), "10");
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"), 1000);
  headers["Upload-Length"] = "2000";
  EXPECT_EQ(send("").status, 422);
  headers["Idempotency-Key"] = "k2";
  headers["Content-Type"] = "application/offset+octet-stream";
  const auto with_bytes = send("0123456789");
  EXPECT_EQ(with_bytes.headers.at("upload-offset"), "10");
  const auto again = send("0123456789");
  EXPECT_EQ(place(again), place(with_bytes));
  EXPECT_EQ(again.headers.at("upload-offset"), "10");
  EXPECT_EQ(offset(user, place(again)), 10U);
  EXPECT_EQ(user.send("DELETE", place(again), "", {{"Tus-Resumable", "1.0.0"}}).status, 204);
  EXPECT_EQ(send("0123456789").status, 404);
  // What came of it is told again; what could not be taken may be sent again.
  headers["Upload-Length"] = "10";
  headers["Idempotency-Key"] = "k3";
  const auto junk = send("0123456789");
  EXPECT_EQ(junk.status, 415);
  const auto told = send("0123456789");
  EXPECT_EQ(told.status, 415);
  EXPECT_EQ(told.headers.at("location"), junk.headers.at("location"));
  headers["Idempotency-Key"] = "k4";
  EXPECT_EQ(send("0123456789abcdef").status, 413);
  EXPECT_EQ(send("0123456789").status, 415);
}

TEST_F(Tus, GoesOnWhereTheLineBroke) {
  TestServer server;
  TestUser user{server};
  const auto dataset = user.create_dataset("broken");
  const auto bytes = long_clip();
  const auto path = place(create(user, dataset, bytes.size()));
  asio::io_context context;
  {
    auto line = begin_patch(server, user, context, path, 0, bytes.size());
    asio::write(line, asio::buffer(bytes.data(), 123'456));
  }
  wait_until("what came to count", [&] { return offset(user, path) == 123'456; });
  // One that was forgotten about, and then a newer one: what the older still sends does not count.
  auto older = begin_patch(server, user, context, path, 123'456, bytes.size() - 123'456);
  asio::write(older, asio::buffer(bytes.data() + 123'456, 1000));
  wait_until("the older one to go on",
             [&] { return server.value("SELECT fence FROM \"Uploads\"") == "2"; });
  const auto newer = patch(user, path, 123'456, bytes.substr(123'456, 600'000));
  ASSERT_EQ(newer.status, 204) << newer.body;
  boost::system::error_code ignored;
  const std::string garbage(bytes.size() - 124'456, 'x');
  asio::write(older, asio::buffer(garbage), ignored);
  asio::streambuf answer;
  asio::read_until(older, answer, "\r\n", ignored);
  const std::string status{asio::buffers_begin(answer.data()), asio::buffers_end(answer.data())};
  EXPECT_NE(status.find(" 409 "), std::string::npos) << status;
  EXPECT_EQ(offset(user, path), 723'456U);
  // The server dies with some of it stored that does not count yet.
  auto dying = begin_patch(server, user, context, path, 723'456, bytes.size() - 723'456);
  asio::write(dying, asio::buffer(bytes.data() + 723'456, bytes.size() - 723'456 - 1));
  wait_until("a part to be stored", [&] {
    return server.value("SELECT count(*) FROM \"BlobParts\" WHERE start >= 723456") != "0";
  });
  server.kill();
  server.start();
  user.connect(server);
  const auto at = offset(user, path);
  EXPECT_EQ(at, 723'456U);
  const auto last = patch(user, path, at, bytes.substr(at));
  ASSERT_EQ(last.status, 204) << last.body;
  const auto video = user.call(200, "GET", "/videos/" + last.headers.at("x-video"));
  Sha256 sha;
  sha.update(std::as_bytes(std::span{bytes}));
  EXPECT_EQ(text(video, "sha256"), hex(sha.finish()));
  EXPECT_EQ(user.balance().to_string(), "99.880");
  EXPECT_EQ(integer(user.call(200, "GET", "/users/me").at("storage"), "used"),
            static_cast<std::int64_t>(bytes.size()));
}

TEST_F(Tus, WaitsForConsentAndForTokens) {
  TestServer server;
  TestUser admin{server, TestUser::admin};
  TestUser user{server};
  const auto dataset = user.create_dataset("prices");
  const auto bytes = clip();
  const auto priced = place(create(user, dataset, bytes.size(), ",confirm"));
  const auto arrived = patch(user, priced, 0, bytes);
  EXPECT_EQ(arrived.status, 204) << arrived.body;
  EXPECT_FALSE(arrived.headers.contains("x-video"));
  auto upload = user.call(200, "GET", priced);
  EXPECT_EQ(upload.at("state"), "priced");
  EXPECT_EQ(upload.at("frame_count"), 120);
  EXPECT_EQ(json_text(upload.at("cost")), "0.12");
  EXPECT_EQ(user.balance().to_string(), "100.000");
  upload = user.call(200, "POST", priced + "/accept");
  EXPECT_EQ(upload.at("state"), "accepted");
  EXPECT_EQ(user.balance().to_string(), "99.880");
  EXPECT_EQ(user.call(200, "POST", priced + "/accept").at("state"),
            "accepted");  // its answer was lost
  EXPECT_EQ(user.balance().to_string(), "99.880");
  // What it costs is agreed to, and no more than that is paid.
  const auto dearer = place(create(user, dataset, bytes.size(), ",confirm " + base64("true")));
  EXPECT_EQ(patch(user, dearer, 0, bytes).status, 204);
  server.set("INFERNODE_PRICE_UPLOAD_FRAME", "0.002");
  server.stop();
  server.start();
  user.connect(server);
  admin.connect(server);
  const auto changed = user.call(409, "POST", dearer + "/accept");
  EXPECT_EQ(changed.at("type"), "/problems/price-changed");
  EXPECT_EQ(json_text(changed.at("required")), "0.24");
  EXPECT_EQ(user.balance().to_string(), "99.880");
  EXPECT_EQ(user.call(200, "POST", dearer + "/accept").at("state"), "accepted");
  EXPECT_EQ(user.balance().to_string(), "99.640");

  server.spend(user.email(), "99.540");  // 0.1 is left
  const auto poor = place(create(user, dataset, bytes.size()));
  const auto refused = patch(user, poor, 0, bytes);
  EXPECT_EQ(refused.status, 402) << refused.body;
  EXPECT_EQ(text(user.call(200, "GET", poor), "state"), "refused");
  EXPECT_EQ(user.call(200, "GET", "/uploads").at("items").as_array().size(), 1U);
  user.call(402, "POST", poor + "/accept");
  admin.call(201, "POST", "/admin/users/" + user.id() + "/recharge", {{"tokens", 1}});
  upload = user.call(200, "POST", poor + "/accept");
  EXPECT_EQ(upload.at("state"), "accepted");
  EXPECT_EQ(user.balance().to_string(), "0.860");
  const auto video =
      user.call(200, "GET", "/videos/" + json::value_to<std::string>(upload.at("video_ids").at(0)));
  EXPECT_EQ(text(video, "sha256"), sha256_of_file(kClip));
  EXPECT_EQ(nothing_staged(server), "0");
}

}  // namespace
}  // namespace infernode::test
