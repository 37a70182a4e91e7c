// Goal: what /metrics shows is what docs/metrics.md names, true, and not for everybody. Method: a
// server that has worked, scraped.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>

#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

constexpr const char* kToken = "a token of sixteen characters or more";

class MetricsPage : public testing::Test {
protected:
  MetricsPage()
      : server_{{{"INFERNODE_METRICS_TOKEN", kToken}}}, client_{"127.0.0.1", server_.port()} {}

  http::ClientResponse scrape(const std::map<std::string, std::string>& headers = {}) {
    return client_.request("GET", "/metrics", "", headers);
  }
  // The value of a line that begins so; -1 when there is none.
  static double value(const std::string& page, const std::string& series) {
    const auto at = ("\n" + page).find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size()));
  }

  TestServer server_;
  http::Client client_;
};

TEST_F(MetricsPage, ShowsWhatTheDocumentNames) {
  TestUser user{server_};
  const auto footage = user.with_footage("street");
  const auto job =
      user.call(201, "POST", "/jobs",
                json::object{
                    {"video_ids", json::array{footage.video}},
                    {"params",
                     json::object{{"pipeline", "detect"}, {"end_frame", 8}, {"images", false}}}})
          .at("jobs")
          .at(0);
  user.wait_for_end(text(job, "id"));
  EXPECT_EQ(user.send("GET", "/nothing/here").status, 404);
  EXPECT_EQ(client_.request("GET", "/nowhere").status, 404);
  std::string page;
  wait_until("the worker's totals", [&] {
    page = scrape().body;
    return page.find("infernode_worker_images_total{") != std::string::npos;
  });

  std::set<std::string> shown;
  const std::regex type{"# TYPE (\\S+) \\S+"};
  for (std::sregex_iterator match{page.begin(), page.end(), type}; match != std::sregex_iterator{};
       ++match) {
    shown.insert((*match)[1]);
  }
  std::ifstream in{INFERNODE_SOURCE_DIR "/docs/metrics.md"};
  const std::string document{std::istreambuf_iterator<char>{in}, {}};
  std::set<std::string> named;
  const std::regex row{"\\n\\| `([a-z_]+)` \\|"};
  for (std::sregex_iterator match{document.begin(), document.end(), row};
       match != std::sregex_iterator{}; ++match) {
    named.insert((*match)[1]);
  }
  EXPECT_EQ(shown, named);

  EXPECT_EQ(
      value(page,
            R"(infernode_http_requests_total{method="POST",route="/api/v1/jobs",status="201"})"),
      1);
  EXPECT_EQ(value(page, R"(infernode_http_requests_total{method="GET",route="/",status="404"})"),
            2);
  EXPECT_EQ(
      value(page,
            R"(infernode_http_request_duration_seconds_count{method="POST",route="/api/v1/jobs"})"),
      1);
  EXPECT_EQ(value(page, R"(infernode_jobs{status="RUNNING"})"), 0);
  EXPECT_EQ(value(page, "infernode_tokens_held"), 0);
  EXPECT_EQ(value(page, "infernode_workers"), 1);
  EXPECT_EQ(value(page, "infernode_db_up"), 1);
  EXPECT_GT(value(page, "infernode_blob_bytes"), 100'000);
  EXPECT_GT(value(page, "process_resident_memory_bytes"), 10e6);
  const std::regex images{R"(infernode_worker_images_total\{worker="[^"]+",model="[^"]+"\} 8)"};
  EXPECT_TRUE(std::regex_search(page, images)) << page;
  const std::regex settled{R"(infernode_worker_tokens_settled_total\{worker="[^"]+"\} 0\.016)"};
  EXPECT_TRUE(std::regex_search(page, settled)) << page;
}

TEST_F(MetricsPage, IsNotForEverybody) {
  EXPECT_EQ(scrape().status, 200);
  EXPECT_EQ(scrape().headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(scrape({{"X-Forwarded-For", "127.0.0.1"}}).status, 401);
  EXPECT_EQ(scrape({{"Forwarded", "for=127.0.0.1"}}).status, 401);
  EXPECT_EQ(scrape({{"Origin", "http://localhost"}}).status, 401);
  EXPECT_EQ(scrape({{"Host", "a-name-for.127.0.0.1.example"}}).status, 401);
  EXPECT_EQ(scrape({{"Host", "localhost:3000"}}).status, 200);
  EXPECT_EQ(scrape({{"Host", "[::1]:3000"}}).status, 200);
  EXPECT_EQ(scrape({{"Authorization", "Bearer wrong"}}).status, 401);
  EXPECT_EQ(scrape({{"Authorization", "Bearer "}}).status, 401);
  EXPECT_EQ(
      scrape({{"X-Forwarded-For", "192.0.2.1"}, {"Authorization", std::string{"Bearer "} + kToken}})
          .status,
      200);
}

}  // namespace
}  // namespace infernode::test
