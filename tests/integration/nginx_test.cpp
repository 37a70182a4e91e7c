// Goal: behind the proxy that most people have, set up as docs/operating.md says, videos arrive,
// whole and resumable, events are told as they come, and content goes out.
// Method: Debian's nginx with its default buffering and a certificate of the test's, curl by
// HTTP/1.1 and HTTP/2. `bench/run transfer` has the figures.
#include <gtest/gtest.h>

#include <fstream>

#include "core/digest.hpp"
#include "http/message.hpp"
#include "testing/file_source.hpp"
#include "testing/nginx.hpp"

namespace infernode::test {
namespace {

class BehindNginx : public testing::TestWithParam<const char*> {
protected:
  // What the answer to a request says in a header; empty where it has none.
  static std::string header(const std::string& answer, const std::string& name) {
    const auto at = answer.find("\n" + name + ": ");
    if (at == std::string::npos) {
      return "";
    }
    const auto from = at + name.size() + 3;
    return answer.substr(from, answer.find('\r', from) - from);
  }
  std::string authorization() { return "Authorization: Bearer " + user_.token(); }
  // curl, by this protocol, as this user: the head of the answer in lower case, and its body.
  std::string ask(std::vector<std::string> arguments, const std::string& path) {
    arguments.insert(arguments.begin(), {GetParam(), "-i", "-H", "Expect:", "-H", authorization()});
    auto answer = nginx_.curl(std::move(arguments), path);
    const auto head = std::min(answer.find("\r\n\r\n"), answer.size());
    return http::lower_case(answer.substr(0, head)) + answer.substr(head);
  }
  static std::string spoken() {
    return std::string_view{GetParam()} == "--http2" ? "http/2 " : "http/1.1 ";
  }

  TestServer server_{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_TRUSTED_PROXIES", "127.0.0.1"}}};
  TestUser user_{server_};
  Nginx nginx_{server_};
};

TEST_P(BehindNginx, VideosAndEventsArrive) {
  // More than nginx keeps in memory.
  const auto film = server_.folder() / "film.mp4";
  write_padded_clip(film, 5'000'000);
  const auto bytes = read_file(film.string());
  const auto dataset = user_.create_dataset("behind nginx");

  const auto made =
      ask({"-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H",
           "Upload-Length: " + std::to_string(bytes.size()), "-H",
           "Upload-Metadata: dataset_id " + base64(dataset) + ",name " + base64("film.mp4")},
          "/uploads");
  ASSERT_TRUE(made.starts_with(spoken() + "201")) << made;
  const auto location = header(made, "location");
  const auto path = location.substr(location.find("/uploads/"));
  std::string video;
  const std::size_t half = bytes.size() / 2;
  for (const auto& [from, size] :
       {std::pair<std::size_t, std::size_t>{0, half},
        std::pair<std::size_t, std::size_t>{half, bytes.size() - half}}) {
    const auto piece = server_.folder() / "piece";
    std::ofstream{piece, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data() + from),
                                                 static_cast<std::streamsize>(size));
    const auto sent = ask({"-X", "PATCH", "-H", "Tus-Resumable: 1.0.0", "-H",
                           "Upload-Offset: " + std::to_string(from), "-H",
                           "Content-Type: application/offset+octet-stream", "-T", piece.string()},
                          path);
    ASSERT_TRUE(sent.starts_with(spoken() + "204")) << sent;
    EXPECT_EQ(header(sent, "upload-offset"), std::to_string(from + size));
    video = header(sent, "x-video");
  }
  ASSERT_FALSE(video.empty());
  const auto back = server_.folder() / "back.mp4";
  nginx_.curl({GetParam(), "-H", authorization(), "-o", back.string()},
              "/videos/" + video + "/content");
  EXPECT_TRUE(read_file(back.string()) == bytes);

  const auto form = ask({"-F", "file=@" + film.string()}, "/datasets/" + dataset + "/videos");
  EXPECT_TRUE(form.starts_with(spoken() + "201")) << form;
  EXPECT_EQ(user_.balance().to_string(), "99.760");
  // nginx does not hold events back until there is a bufferful.
  const auto told = ask({"-N", "--max-time", "3", "-H", "Last-Event-ID: 0"}, "/events");
  EXPECT_NE(told.find("\"balance\""), std::string::npos) << told;
}

INSTANTIATE_TEST_SUITE_P(, BehindNginx, testing::Values("--http1.1", "--http2"),
                         [](const auto& name) {
                           return std::string{name.param} == "--http2" ? "ByHttp2" : "ByHttp1";
                         });

}  // namespace
}  // namespace infernode::test
