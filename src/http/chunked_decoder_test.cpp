// Goal: a chunked body is read as RFC 9112, 7.1 has it, in pieces of any size, and nothing that is
// not content costs memory. Method: bodies cut at every place; what is wrong, by rule.
#include "http/chunked_decoder.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "http/message.hpp"

namespace infernode::http {
namespace {

struct Read {
  std::string content;
  std::string left;  // behind the body
  bool done = false;
};

// Hands over `piece` bytes at a time, with room for `room`.
Read read(std::string_view raw, std::size_t piece, std::size_t room) {
  ChunkedDecoder decoder;
  Read result;
  std::vector<std::byte> target(room);
  std::size_t end = 0;
  std::size_t at = 0;
  while (!decoder.done() && (at < end || end < raw.size())) {
    end = std::max(end, std::min(raw.size(), at + piece));
    const auto step = decoder.decode(raw.substr(at, end - at), target);
    result.content.append(reinterpret_cast<const char*>(target.data()), step.given);
    at += step.taken;
  }
  result.left = raw.substr(at);
  result.done = decoder.done();
  return result;
}

TEST(ChunkedDecoder, ReadsBodiesInPiecesOfAnySize) {
  const std::string body =
      "4\r\nWiki\r\n5;name=\"a value\"\r\npedia\r\n00E \t;x\r\n in\r\n\r\nchunks.\r\n0\r\nX: "
      "y\r\nEmpty:\r\n\r\n";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    for (const std::size_t room : {1, 3, 100}) {
      const auto got = read(body + "GET /", piece, room);
      EXPECT_TRUE(got.done);
      EXPECT_EQ(got.content, "Wikipedia in\r\n\r\nchunks.");
      EXPECT_EQ(got.left, "GET /");
    }
    EXPECT_FALSE(read(std::string_view{body}.substr(0, body.size() - piece), piece, 100).done);
  }
}

TEST(ChunkedDecoder, RefusesWhatIsNone) {
  for (const std::string body : {"zz\r\n",
                                 "\r\n",
                                 "-1\r\n",
                                 "+1\r\n",
                                 "0x1\r\n",
                                 " 1\r\n",
                                 "1\n",
                                 "1\r\nab\r\n",
                                 "1\r\na\n",
                                 "1\r\na\rb",
                                 "1 a\r\n",
                                 "1;\x01\r\n",
                                 "1;a\rb\r\n",
                                 "fffffffffffffffff\r\n",
                                 "8000000000000000\r\n",
                                 "00000000000000001\r\n",
                                 "0\r\nX: a\r\n b\r\n\r\n",
                                 "0\r\n\tX: a\r\n\r\n",
                                 "0\r\nX : a\r\n\r\n",
                                 "0\r\nX\r\n\r\n",
                                 "0\r\nX: a\n\n",
                                 "0\r\nX: \x01\r\n\r\n"}) {
    EXPECT_THROW(read(body, 1, 10), BadBody) << body;
    EXPECT_THROW(read(body, body.size(), 10), BadBody) << body;
  }
}

TEST(ChunkedDecoder, BoundsWhatIsNoContent) {
  const std::string much(100'000, 'a');
  EXPECT_THROW(read("1;" + much, 4096, 10), BadBody);
  EXPECT_THROW(read("0\r\nX: " + much, 4096, 10), BadBody);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 2000; ++i) {
    trailers += "X: a\r\n";
  }
  EXPECT_THROW(read(trailers, 4096, 10), BadBody);
  std::string extended;
  std::string small;
  for (int i = 0; i < 10'000; ++i) {
    extended += "1;" + much.substr(0, 100) + "\r\na\r\n";
    small += "1\r\na\r\n";
  }
  EXPECT_THROW(read(extended, 4096, 10), BadBody);
  EXPECT_EQ(read(small + "0\r\n\r\n", 4096, 10).content.size(), 10'000U);
}

}  // namespace
}  // namespace infernode::http
