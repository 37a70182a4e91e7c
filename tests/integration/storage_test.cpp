// Goal: what users store never passes their quota, however many upload at once and however many of
// them are cut; what they are told is the sum over the store; what they delete is free again.
// Method: the real server; uploads over sockets that are closed half way; PostgreSQL asked for the
// bytes that there are, all the while.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

std::string clip_bytes() {
  const auto bytes = read_file(kClip);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The clip with a box behind it that players skip: no two are the same bytes, which would be stored
// once.
std::string clip_of_its_own(int number) {
  return clip_bytes() +
         std::string{
             "\0\0\0\x10"
             "free",
             8} +
         fmt::format("{:08}", number);
}

// The whole request, or its first half; the status, or 0 after a cut.
struct RawUpload {
  bool cut = false;
  bool chunked = false;
};
int send_upload(const TestServer& server, const std::string& token, const std::string& dataset,
                const std::string& file, RawUpload how) {
  const std::string form =
      "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n" + file +
      "\r\n--x--\r\n";
  std::string request = fmt::format(
      "POST /api/v1/datasets/{}/videos HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
      "Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=x\r\n",
      dataset, token);
  if (how.chunked) {
    request += "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < form.size(); at += 50'000) {
      const auto piece = std::string_view{form}.substr(at, 50'000);
      request += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
    }
    request += "0\r\n\r\n";
  } else {
    request += fmt::format("Content-Length: {}\r\n\r\n{}", form.size(), form);
  }
  if (how.cut) {
    request.resize(request.size() / 2);
  }
  asio::io_context context;
  asio::ip::tcp::socket socket{context};
  socket.connect({asio::ip::make_address("127.0.0.1"), server.port()});
  boost::system::error_code failed;
  asio::write(socket, asio::buffer(request), failed);  // refused ones are not read to their end
  if (how.cut) {
    return 0;
  }
  asio::streambuf answer;
  asio::read(socket, answer, failed);
  std::istream lines{&answer};
  std::string version;
  int status = 0;
  lines >> version >> status;
  return status;
}

class StorageOfUsers : public testing::Test {
protected:
  explicit StorageOfUsers(std::map<std::string, std::string> settings = {})
      : server_{std::move(settings)} {}

  std::int64_t used(TestUser& user) {
    return integer(user.call(200, "GET", "/users/me").at("storage"), "used");
  }
  // Bytes that lie in the store for anybody.
  std::int64_t bytes_stored() const {
    return std::stoll(server_.value("SELECT coalesce(sum(\"size\"), 0) FROM \"BlobParts\""));
  }
  TestServer server_;
};

TEST_F(StorageOfUsers, NeverPassesTheQuotaHoweverManyUploadAtOnce) {
  const auto size = static_cast<std::int64_t>(clip_of_its_own(0).size());
  constexpr int kUploads = 50;
  constexpr int kFitting = 10;
  const std::int64_t quota = kFitting * size;
  TestUser user{server_};
  server_.sql(fmt::format("UPDATE \"Users\" SET \"storage_quota\" = {}", quota));
  const auto dataset = user.create_dataset("many");
  std::atomic<int> accepted = 0;
  std::atomic<int> refused = 0;
  std::atomic<bool> over = false;
  std::int64_t most = 0;
  std::thread looking{[&] {
    while (!over) {
      most = std::max(most, bytes_stored());
    }
  }};
  std::vector<std::thread> clients;
  for (int i = 0; i < kUploads; ++i) {
    clients.emplace_back([&, i] {
      const int status = send_upload(server_, user.token(), dataset, clip_of_its_own(i),
                                     {.cut = i % 2 == 0, .chunked = i % 4 < 2});
      accepted += status == 201 ? 1 : 0;
      refused += status == 413 ? 1 : 0;
    });
  }
  for (auto& client : clients) {
    client.join();
  }
  // Those that were cut have let go of what they reserved.
  wait_until("the end of the cut uploads", [&] { return used(user) == accepted * size; });
  over = true;
  looking.join();
  EXPECT_EQ(accepted + refused, kUploads / 2);
  EXPECT_GE(accepted, 1);
  EXPECT_LE(accepted, kFitting);
  EXPECT_LE(most, quota);
  EXPECT_GT(most, 0);
  // What was refused for those that were cut fits now, to the last byte.
  for (int i = accepted; i < kFitting; ++i) {
    EXPECT_EQ(send_upload(server_, user.token(), dataset, clip_of_its_own(kUploads + i),
                          {.chunked = i % 2 == 0}),
              201);
  }
  EXPECT_EQ(used(user), quota);
  EXPECT_EQ(bytes_stored(), quota);
  const auto full = user.upload(dataset, kClip);
  EXPECT_EQ(full.status, 413);
  const auto problem = json::parse(full.body);
  EXPECT_EQ(text(problem, "type"), "/problems/quota-exceeded");
  EXPECT_EQ(integer(problem, "used"), quota);
  EXPECT_EQ(integer(problem, "quota"), quota);
  EXPECT_EQ(server_.value("SELECT count(*) FROM \"Blobs\" WHERE \"expires_at\" IS NOT NULL"), "0");
  EXPECT_EQ(server_.value("SELECT count(*) FROM \"Videos\""), std::to_string(kFitting));
}

TEST_F(StorageOfUsers, HoldsTheSameBytesOnce) {
  TestUser user{server_};
  const auto dataset = user.create_dataset("same");
  const auto before = user.balance();
  const auto size = static_cast<std::int64_t>(clip_bytes().size());
  const auto first = json::parse(user.upload(dataset, kClip, "first").body);
  const auto second = json::parse(user.upload(dataset, kClip, "second").body);
  EXPECT_EQ(used(user), size);
  EXPECT_EQ(before - user.balance(), Tokens::from_thousandths(2 * integer(first, "frame_count")));
  user.call(204, "DELETE", "/videos/" + text(first, "id"));
  EXPECT_EQ(used(user), size);
  const json::object request{{"video_ids", json::array{text(second, "id")}},
                             {"params", {{"pipeline", "detect"}, {"end_frame", 5}}}};
  const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  EXPECT_EQ(user.wait_for_end(job).at("status"), "COMPLETED");
  user.call(204, "DELETE", "/jobs/" + job);
  user.call(204, "DELETE", "/videos/" + text(second, "id"));
  wait_until("all is free", [&] { return used(user) == 0; });
}

TEST_F(StorageOfUsers, IsEverybodysOwn) {
  const std::string file = clip_bytes();
  const auto size = static_cast<std::int64_t>(file.size());
  server_.sql(fmt::format("ALTER TABLE \"Users\" ALTER \"storage_quota\" SET DEFAULT {}", size));
  struct Client {
    std::unique_ptr<TestUser> user;
    std::string dataset;
    int status = 0;
  };
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    auto user = std::make_unique<TestUser>(server_);
    auto dataset = user->create_dataset("own");
    clients.push_back({std::move(user), std::move(dataset)});
  }
  std::atomic<bool> over = false;
  std::int64_t most = 0;
  std::thread looking{[&] {
    while (!over) {
      most = std::max(most, std::int64_t{std::stoll(server_.value(
                                R"(SELECT coalesce(max(bytes), 0)
                                     FROM (SELECT sum(part."size") AS bytes
                                             FROM "BlobParts" AS part
                                             JOIN "Blobs" AS blob ON blob."id" = part."blob_id"
                                            GROUP BY blob."user_id") AS users)"))});
    }
  }};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    threads.emplace_back([&, i] {
      auto& client = clients[i];
      client.status =
          send_upload(server_, client.user->token(), client.dataset, file, {.cut = i % 2 == 0});
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (auto& client : clients) {
    const bool cut = client.status == 0;
    EXPECT_TRUE(cut || client.status == 201) << client.status;
    wait_until("the end of an upload", [&] { return used(*client.user) == (cut ? 0 : size); });
  }
  over = true;
  looking.join();
  EXPECT_EQ(most, size);  // of one user
  EXPECT_EQ(bytes_stored(), 25 * size);
  EXPECT_EQ(server_.value("SELECT count(*) FROM \"Blobs\" WHERE \"expires_at\" IS NOT NULL"), "0");
}

TEST_F(StorageOfUsers, IsFreeAgainWhenJobsAndDatasetsAreDeleted) {
  TestUser user{server_};
  const auto footage = user.with_footage("a");
  const auto video = used(user);
  const json::object params{{"pipeline", "detect"}, {"end_frame", 2}};
  const auto made =
      user.call(201, "POST", "/jobs",
                json::object{{"video_ids", json::array{footage.video}}, {"params", params}});
  const auto job = text(made.at("jobs").at(0), "id");
  if (user.send("DELETE", "/jobs/" + job).status != 409) {
    ADD_FAILURE() << "a job was deleted before its end";
  }
  EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  EXPECT_GT(used(user), video);
  EXPECT_EQ(used(user), bytes_stored());
  TestUser other{server_};
  other.call(404, "DELETE", "/jobs/" + job);
  user.call(204, "DELETE", "/jobs/" + job);
  user.call(404, "GET", "/jobs/" + job);
  user.call(404, "GET", "/jobs/" + job + "/result");
  EXPECT_EQ(used(user), video);
  user.call(409, "DELETE", "/datasets/" + footage.dataset + "?purge=true");
  user.call(204, "DELETE", "/datasets/" + footage.dataset);
  EXPECT_EQ(used(user), video);  // it can be restored
  other.call(404, "DELETE", "/datasets/" + footage.dataset + "?purge=true");
  user.call(204, "DELETE", "/datasets/" + footage.dataset + "?purge=true");
  EXPECT_EQ(used(user), 0);
  user.call(404, "POST", "/datasets/" + footage.dataset + "/restore");
  EXPECT_TRUE(user.call(200, "GET", "/datasets?deleted=true").at("items").as_array().empty());
  wait_until("the purge",
             [&] { return server_.value("SELECT count(*) FROM \"Datasets\"") == "0"; });
  EXPECT_EQ(server_.value("SELECT count(*) FROM \"Videos\""), "0");
  // What was paid stays written.
  EXPECT_EQ(user.call(200, "GET", "/users/me/transactions").at("items").as_array().size(), 3U);
}

TEST_F(StorageOfUsers, NothingIsStagedForWhoeverCannotPayAFrame) {
  TestUser user{server_};
  const auto dataset = user.create_dataset("poor");
  server_.spend(user.email(), "100");
  const auto answer = user.upload(dataset, kClip);
  EXPECT_EQ(answer.status, 402);
  EXPECT_EQ(server_.value("SELECT count(*) FROM \"Blobs\""), "0");
}

class FullDisk : public StorageOfUsers {
protected:
  FullDisk() : StorageOfUsers({{"INFERNODE_DISK_FLOOR_BYTES", "1000000000000000000"}}) {}
};

TEST_F(FullDisk, NothingIsTakenInBelowTheFloor) {
  TestUser user{server_};
  const auto dataset = user.create_dataset("d");
  wait_until("a look at the disk",
             [&] { return user.client().request("GET", "/readyz").status == 503; });
  const auto answer = user.upload(dataset, kClip);
  EXPECT_EQ(answer.status, 507) << answer.body;
  EXPECT_EQ(used(user), 0);
  user.call(200, "GET", "/datasets");
}

TEST(ClosedInstallation, NobodyOpensAnAccount) {
  const TestServer server{{{"INFERNODE_REGISTRATION", "closed"}}};
  http::Client client{"127.0.0.1", server.port()};
  const auto answer = client.request("POST", "/api/v1/auth/register",
                                     R"({"email":"a@example.com","password":"a good password"})",
                                     {{"Content-Type", "application/json"}});
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(text(json::parse(answer.body), "type"), "/problems/registration-closed");
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Users\""), "0");
}

}  // namespace
}  // namespace infernode::test
