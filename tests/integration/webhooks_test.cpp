// Goal: the end of a job is told to the user's own server, signed, whatever that server is like.
// Method: the real server; tests/webhooks/receiver.py over HTTP and, with a certificate of the
// test, over HTTPS; jobs that end by being aborted.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Receiver {
public:
  // With the certificate and its key, over HTTPS.
  explicit Receiver(std::vector<std::string> certificate = {}) {
    std::vector<std::string> arguments{
        "python3", INFERNODE_SOURCE_DIR "/tests/webhooks/receiver.py", folder_.path().string()};
    arguments.insert(arguments.end(), certificate.begin(), certificate.end());
    std::vector<char*> pointers;
    for (auto& argument : arguments) {
      pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    if (posix_spawnp(&child_, "python3", nullptr, nullptr, pointers.data(), environ) != 0) {
      throw std::runtime_error("there is no python3");
    }
    wait_until("a receiver", [&] { return std::filesystem::exists(folder_.path() / "port"); });
    std::ifstream{folder_.path() / "port"} >> port_;
  }
  ~Receiver() { stop(); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  void stop() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
      child_ = -1;
    }
  }
  int port() const { return port_; }
  // What it has received on a path.
  std::vector<json::value> requests(const std::string& path) const {
    std::vector<json::value> all;
    std::ifstream in{folder_.path() / "requests"};
    for (std::string line; std::getline(in, line);) {
      auto request = json::parse(line);
      if (request.at("path") == json::value(path)) {
        all.push_back(std::move(request));
      }
    }
    return all;
  }

private:
  TemporaryFolder folder_;
  pid_t child_ = -1;
  int port_ = 0;
};

class WebhookUser {
public:
  explicit WebhookUser(TestServer& server)
      : server_{server}, user_{server}, video_{user_.with_footage("clip").video} {}

  // A job that was aborted at once.
  std::string ended_job(const std::string& url) {
    const auto job = text(send(201, url).at("jobs").at(0), "id");
    user_.call(200, "POST", "/jobs/" + job + "/abort");
    return job;
  }
  json::value send(int expected, const std::string& url) {
    return user_.call(expected, "POST", "/jobs",
                      json::object{{"video_ids", json::array{video_}},
                                   {"params", {{"pipeline", "detect"}, {"end_frame", 2}}},
                                   {"webhook_url", url}});
  }
  json::value delivery(const std::string& job) {
    return user_.call(200, "GET", "/webhooks/deliveries?job_id=" + job).at("items").at(0);
  }
  // So many attempts were made, or more.
  json::value wait_for_attempt(const std::string& job, int attempts) {
    json::value found;
    wait_until("attempt " + std::to_string(attempts), [&] {
      found = delivery(job);
      return integer(found, "attempts") >= attempts &&
             (found.as_object().contains("error") || found.at("status") == "DELIVERED");
    });
    return found;
  }
  void make_due(const std::string& job) {
    server_.sql(
        "UPDATE \"WebhookDeliveries\" SET next_attempt_at = now(), error = NULL "
        "WHERE job_id = '" +
        job + "'");
  }
  TestUser& user() { return user_; }

private:
  TestServer& server_;
  TestUser user_;
  std::string video_;
};

std::string error_of(const json::value& delivery) {
  return text(delivery, "error");
}

bool is_signed(const json::value& request, const std::string& secret) {
  const auto signature = text(request.at("headers"), "x-infernode-signature");
  const auto seconds = signature.substr(2, signature.find(',') - 2);
  const auto expected = hex(hmac_sha256(secret, seconds + "." + text(request, "body")));
  return signature.find("v1=" + expected) != std::string::npos;
}

TEST(Webhooks, AreSentToWhateverReceiver) {
  TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_WEBHOOK_NETWORKS", "127.0.0.0/8"}}};
  WebhookUser user{server};
  Receiver receiver;
  const auto url = [&](const std::string& path) {
    return fmt::format("http://127.0.0.1:{}/{}", receiver.port(), path);
  };
  const auto good = user.ended_job(url("good?of=mine"));
  const auto broken = user.ended_job(url("broken"));
  const auto moved = user.ended_job(url("moved"));
  const auto slow = user.ended_job(url("slow"));
  const auto named = user.ended_job(fmt::format("http://localhost:{}/named", receiver.port()));
  const auto down = user.ended_job("http://127.0.0.1:1/");

  auto delivery = user.wait_for_attempt(good, 1);
  EXPECT_EQ(delivery.at("status"), "DELIVERED");
  EXPECT_EQ(delivery.at("answer"), 200);
  const auto received = receiver.requests("/good?of=mine");
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].at("headers").at("x-infernode-delivery"), delivery.at("id"));
  EXPECT_EQ(received[0].at("headers").at("content-type"), "application/json");
  const auto body = json::parse(text(received[0], "body"));
  EXPECT_EQ(body, user.user().call(200, "GET", "/jobs/" + good));
  EXPECT_EQ(body.at("status"), "ABORTED");
  // The secret is shown once, and signs.
  const auto secret = user.user().call(200, "GET", "/webhooks/secret");
  EXPECT_TRUE(is_signed(received[0], text(secret, "secret")));
  EXPECT_FALSE(user.user().call(200, "GET", "/webhooks/secret").as_object().contains("secret"));

  EXPECT_EQ(user.wait_for_attempt(named, 1).at("status"), "DELIVERED");
  delivery = user.wait_for_attempt(broken, 1);
  EXPECT_EQ(delivery.at("status"), "PENDING");
  EXPECT_EQ(error_of(delivery), "answered 500");
  EXPECT_NE(error_of(user.wait_for_attempt(moved, 1)).find("not followed"), std::string::npos);
  EXPECT_TRUE(receiver.requests("/moved-here").empty());
  EXPECT_NE(error_of(user.wait_for_attempt(down, 1)).find("refused"), std::string::npos);
  EXPECT_NE(error_of(user.wait_for_attempt(slow, 1)).find("too long"), std::string::npos);

  // Again, with a new secret and the one before.
  const auto fresh = user.user().call(201, "POST", "/webhooks/secret");
  user.make_due(broken);
  user.wait_for_attempt(broken, static_cast<int>(integer(user.delivery(broken), "attempts")) + 1);
  const auto again = receiver.requests("/broken");
  ASSERT_GE(again.size(), 2U);
  EXPECT_TRUE(is_signed(again.back(), text(fresh, "secret")));
  EXPECT_TRUE(is_signed(again.back(), text(secret, "secret")));
  EXPECT_EQ(again.back().at("headers").at("x-infernode-delivery"),
            again[0].at("headers").at("x-infernode-delivery"));
  // By hand, also what was delivered.
  const auto id = text(user.delivery(good), "id");
  user.user().call(200, "POST", "/webhooks/deliveries/" + id + "/resend");
  wait_until("the same again", [&] { return receiver.requests("/good?of=mine").size() == 2; });
  TestUser stranger{server};
  stranger.call(404, "POST", "/webhooks/deliveries/" + id + "/resend");
  EXPECT_TRUE(stranger.call(200, "GET", "/webhooks/deliveries").at("items").as_array().empty());
  EXPECT_EQ(user.user()
                .call(200, "GET", "/webhooks/deliveries?status=PENDING&limit=2")
                .at("items")
                .as_array()
                .size(),
            2U);
  user.user().call(422, "GET", "/webhooks/deliveries?status=GONE");
  EXPECT_EQ(server.log().find(text(fresh, "secret")), std::string::npos);
}

TEST(Webhooks, GoToPublicAddressesAlone) {
  TestServer server{{{"INFERNODE_WORKERS", "0"}}};
  WebhookUser user{server};
  Receiver receiver;
  for (const std::string host :
       {"127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"}) {
    const auto problem = user.send(422, fmt::format("http://{}:{}/", host, receiver.port()));
    EXPECT_EQ(problem.at("errors").at(0).at("pointer"), "/webhook_url") << problem;
  }
  for (const std::string wrong : {"example.com", "ftp://example.com/", "http://a:b@example.com/"}) {
    user.send(422, wrong);
  }
  user.send(422, "https://example.com/" + std::string(3000, 'a'));
  EXPECT_EQ(server.value("SELECT count(*) FROM \"InferenceJobs\""), "0");
  const auto job = user.ended_job(fmt::format("http://localhost:{}/", receiver.port()));
  const auto delivery = user.wait_for_attempt(job, 1);
  EXPECT_NE(error_of(delivery).find("no address that this server calls"), std::string::npos)
      << delivery;
  EXPECT_TRUE(receiver.requests("/").empty());
}

TEST(Webhooks, GoToServersWhoseCertificateIsRight) {
  const TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  const auto made = run_process({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                 "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                                 "/CN=receiver", "-addext", "subjectAltName=DNS:localhost",
                                 "-keyout", file("key.pem"), "-out", file("certificate.pem")});
  ASSERT_EQ(made.status, 0) << made.output;
  const Receiver receiver{{file("certificate.pem"), file("key.pem")}};
  TestServer server{
      {{"INFERNODE_WORKERS", "0"}, {"INFERNODE_WEBHOOK_NETWORKS", "127.0.0.0/8, ::1"}}};
  WebhookUser user{server};
  const auto named = fmt::format("https://localhost:{}/named", receiver.port());
  const auto unknown = user.ended_job(named);
  EXPECT_NE(error_of(user.wait_for_attempt(unknown, 1)).find("verify"), std::string::npos);
  EXPECT_TRUE(receiver.requests("/named").empty());

  server.set("SSL_CERT_FILE", file("certificate.pem"));
  server.hand_over();
  user.user().connect(server);
  user.make_due(unknown);
  const auto trusted = user.wait_for_attempt(unknown, 2);
  EXPECT_EQ(trusted.at("status"), "DELIVERED") << trusted;
  EXPECT_EQ(receiver.requests("/named").size(), 1U);
  // It is a certificate of another name.
  const auto other = user.ended_job(fmt::format("https://127.0.0.1:{}/other", receiver.port()));
  EXPECT_NE(error_of(user.wait_for_attempt(other, 1)).find("verify"), std::string::npos);
  EXPECT_TRUE(receiver.requests("/other").empty());
}

}  // namespace
}  // namespace infernode::test
