// Goal: the dashboard is sent as each client can read it, and cached as long as it holds.
// Method: requests of browsers and of others against the files that the binary carries.
#include "app/dashboard.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "core/embedded.hpp"

namespace infernode::app {
namespace {

std::string header_of(const http::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

http::Request request_of(const std::string& coding, const std::string& accept = "*/*") {
  http::Request request;
  request.headers = {{"accept-encoding", coding}, {"accept", accept}};
  return request;
}

TEST(Dashboard, IsSentInTheBestCodingThatTheClientReads) {
  EXPECT_EQ(best_coding("gzip, deflate, br"), "br");
  EXPECT_EQ(best_coding("br;q=0, gzip;q=0.5"), "gzip");
  EXPECT_EQ(best_coding("GZIP ; q=1"), "gzip");
  EXPECT_EQ(best_coding("gzip;q=0.000"), "");
  EXPECT_EQ(best_coding("gzip;q=nonsense"), "");
  EXPECT_EQ(best_coding("deflate,,zstd, *"), "");
  EXPECT_EQ(best_coding(""), "");
}

TEST(Dashboard, SaysTheSameInEveryCoding) {
  const auto plain = dashboard_file(request_of(""), "");
  const auto packed = dashboard_file(request_of("gzip"), "");
  const auto small = dashboard_file(request_of("br, gzip"), "");
  ASSERT_TRUE(plain && packed && small);
  EXPECT_NE(plain->body.find("<title>InferNode</title>"), std::string::npos);
  EXPECT_EQ(header_of(*plain, "Content-Encoding"), "");
  EXPECT_EQ(header_of(*packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(header_of(*small, "Content-Encoding"), "br");
  EXPECT_LT(small->body.size(), packed->body.size());
  EXPECT_LT(packed->body.size(), plain->body.size());
  for (const auto& each : {*plain, *packed, *small}) {
    EXPECT_EQ(header_of(each, "Vary"), "Accept-Encoding");
    EXPECT_EQ(header_of(each, "Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(header_of(each, "Cache-Control"), "no-cache");
    EXPECT_EQ(header_of(each, "Content-Security-Policy").find("unsafe"), std::string::npos);
  }
}

TEST(Dashboard, KeepsWhatHasItsHashInItsName) {
  const auto page = dashboard_file(request_of(""), "");
  ASSERT_TRUE(page);
  std::smatch found;
  ASSERT_TRUE(std::regex_search(page->body, found, std::regex{"/(assets/index-[^\"]+\\.js)\""}));
  const auto script = dashboard_file(request_of("br"), found[1].str());
  ASSERT_TRUE(script);
  EXPECT_EQ(header_of(*script, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_NE(header_of(*script, "Cache-Control").find("immutable"), std::string::npos);
}

TEST(Dashboard, AnswersForItsAddressesToWhoAsksForAPage) {
  const auto browser = request_of("", "text/html,application/xhtml+xml");
  const auto page = dashboard_file(browser, "jobs/123");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->body, dashboard_file(browser, "")->body);
  EXPECT_EQ(page->body, dashboard_file(request_of(""), "password.html")->body);
  EXPECT_FALSE(dashboard_file(request_of(""), "jobs/123"));
  EXPECT_FALSE(dashboard_file(browser, "api/v1/nothing"));
  EXPECT_FALSE(dashboard_file(browser, "robots.txt"));
  EXPECT_FALSE(dashboard_file(browser, "../api/openapi.yaml"));
  EXPECT_FALSE(dashboard_file(request_of(""), "complete"));
}

// What is read before a page shows, and all of it; of the documentation of the API none.
TEST(Dashboard, IsSmall) {
  std::size_t all = 0;
  std::size_t first = 0;
  for (const auto& file : embedded_files()) {
    if (file.path.starts_with("build/web/assets/") && file.path.ends_with(".gz")) {
      all += file.content.size();
    }
  }
  const auto page = dashboard_file(request_of(""), "");
  ASSERT_TRUE(page);
  const std::regex link{"/(assets/[^\"]+)\""};
  for (std::sregex_iterator at{page->body.begin(), page->body.end(), link}, end; at != end; ++at) {
    first += dashboard_file(request_of("gzip"), (*at)[1].str())->body.size();
  }
  EXPECT_GT(first, 10'000U);
  EXPECT_LT(first, 150'000U);
  EXPECT_LT(all, 300'000U);
}

}  // namespace
}  // namespace infernode::app
