// Goal: garbage from a runner never becomes a result.
// Method: the test plays the runner: a child that speaks the protocol as it likes.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <thread>

#include "runner/protocol.hpp"
#include "worker/segment_run.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using runner::MessageType;

// The runner's end of the socket.
class Impostor {
public:
  explicit Impostor(int descriptor) : descriptor_{descriptor} {}
  ~Impostor() { close(descriptor_); }
  void send(MessageType type, const std::string& payload, std::int64_t announced = -1) const {
    const runner::MessageHeader header{
        type, static_cast<std::uint32_t>(announced < 0 ? static_cast<std::int64_t>(payload.size())
                                                       : announced)};
    raw({reinterpret_cast<const char*>(&header), sizeof header});
    raw(payload);
  }
  void frame(int number) const { frame(number, R"({"frame":)" + std::to_string(number) + "}"); }
  void frame(int number, const std::string& text,
             const std::string& jpeg = "\xff\xd8\xff\xd9") const {
    const runner::FrameHeader header{number, static_cast<std::uint32_t>(text.size())};
    send(MessageType::frame,
         std::string{reinterpret_cast<const char*>(&header), sizeof header} + text + jpeg);
  }
  void crop(int number, std::uint32_t object, const std::string& jpeg = "\xff\xd8\xff\xd9") const {
    const runner::CropHeader header{number, object};
    send(MessageType::crop,
         std::string{reinterpret_cast<const char*>(&header), sizeof header} + jpeg);
  }
  void raw(std::string_view bytes) const {
    static_cast<void>(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }

private:
  int descriptor_;
};

class NoSink : public ByteSink {
public:
  asio::awaitable<void> write(std::vector<std::byte>) override { co_return; }
};

json::object sound_outcome() {
  return {{"processed", 2},
          {"skipped", 0},
          {"failed", 0},
          {"cpu_seconds", 0.5},
          {"provider", "cpu"},
          {"runtime", "r"},
          {"processor", "p"},
          {"build", "b"},
          {"tally", {{"a", 1}}},
          {"reasons", json::object{}},
          {"models", json::array{}}};
}

// What the worker makes of a runner that says this; empty for a sound outcome.
std::string verdict(const std::function<void(const Impostor&)>& speak, bool crops = false) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  std::thread child{[end = ends[1], &speak] {
    const Impostor impostor{end};
    impostor.send(MessageType::ready, "{}");
    // The task comes; a reader of ours would be another parser.
    char ignored[4096];
    static_cast<void>(recv(end, ignored, sizeof ignored, 0));
    speak(impostor);
  }};
  asio::io_context context{1};
  std::optional<runner::RunnerProcess> process{std::in_place, context.get_executor(),
                                               runner::RunnerProcess::Connected{ends[0]}};
  std::string said;
  const auto body = [&]() -> asio::awaitable<void> {
    NoSink sink;
    ResultRecorder recorder{sink, sink};
    SegmentWork work{{{"pipeline", "x"}, {"frame_step", 2}, {"crops", crops}},
                     {10, 14, 2, std::nullopt},
                     100,
                     64,
                     48,
                     1};
    runner::SourceReader read = [](std::uint32_t, std::int64_t,
                                   std::size_t) -> asio::awaitable<std::vector<std::byte>> {
      co_return std::vector<std::byte>{};
    };
    std::function<void()> nothing = [] {};
    const EnergySettings energy{3.5, {475, "g"}};
    try {
      const auto outcome = co_await run_segment(*process, std::move(work), std::move(read),
                                                recorder, energy, std::move(nothing));
      EXPECT_EQ(outcome.processed, 2);
      EXPECT_TRUE(outcome.details.at("joules").is_double());
      EXPECT_FALSE(outcome.details.contains("labels"));
    } catch (const runner::RunnerCrashed& error) {
      said = error.what();
    } catch (const runner::TaskFailed& error) {
      said = "task failed";
    }
  };
  asio::co_spawn(context, body(), [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  context.run();
  process.reset();  // an impostor that goes on speaking ends by that
  child.join();
  return said;
}

std::string verdict_on(const std::function<void(json::object&)>& change) {
  return verdict([&](const Impostor& impostor) {
    impostor.frame(10);
    impostor.frame(12);
    auto outcome = sound_outcome();
    change(outcome);
    impostor.send(MessageType::done, json::serialize(outcome));
  });
}

TEST(SegmentRun, TakesASoundOutcome) {
  EXPECT_EQ(verdict_on([](json::object&) {}), "");
  // What the worker says itself is not the runner's to say.
  EXPECT_EQ(verdict_on([](json::object& outcome) {
              outcome["joules"] = "x";
              outcome["labels"] = 5;
            }),
            "");
}

TEST(SegmentRun, RefusesFramesThatAreNotItsOwn) {
  for (const int wrong : {-1, 0, 9, 11, 14, 2'000'000'000}) {
    EXPECT_NE(verdict([&](const Impostor& impostor) { impostor.frame(wrong); }), "") << wrong;
  }
  EXPECT_NE(verdict([](const Impostor& impostor) {
              impostor.frame(12);
              impostor.frame(10);
            }),
            "");
  EXPECT_NE(verdict([](const Impostor& impostor) {
              impostor.frame(10);
              impostor.frame(10);
            }),
            "");
}

TEST(SegmentRun, RefusesFramesThatAreNone) {
  for (const char* text : {"", "{", "[]", "null", R"({"frame":12})", R"({"frame":10.0})",
                           R"({"frame":"10"})", "{}", R"({"frame":10}})", "{\"frame\":10\n}",
                           R"({"frame":10,"a":)", "{\"frame\":10,\"\xff\":1}"}) {
    EXPECT_NE(verdict([&](const Impostor& impostor) { impostor.frame(10, text); }), "") << text;
  }
  const std::string sound = R"({"frame":10})";
  for (const std::string& jpeg :
       {std::string{"<script>"}, std::string{"\xff\xd8"}, std::string{"\xff\xd8 cut off"}}) {
    EXPECT_NE(verdict([&](const Impostor& impostor) { impostor.frame(10, sound, jpeg); }), "");
  }
  // More than a picture of 64x48 can have.
  EXPECT_NE(verdict([&](const Impostor& impostor) {
              const runner::FrameHeader header{10, 0};
              impostor.send(MessageType::frame,
                            {reinterpret_cast<const char*>(&header), sizeof header}, 2'000'000);
            }),
            "");
}

TEST(SegmentRun, RefusesCropsThatAreNotTheNextFrames) {
  const auto verdict_on_crops = [](const std::function<void(const Impostor&)>& speak) {
    return verdict(
        [&](const Impostor& impostor) {
          speak(impostor);
          impostor.frame(10);
          impostor.frame(12);
          impostor.send(MessageType::done, json::serialize(sound_outcome()));
        },
        true);
  };
  EXPECT_EQ(verdict_on_crops([](const Impostor& impostor) {
              impostor.crop(10, 0);
              impostor.crop(10, 7);
            }),
            "");
  const std::vector<std::function<void(const Impostor&)>> wrong{
      [](const Impostor& impostor) { impostor.crop(12, 0); },
      [](const Impostor& impostor) { impostor.crop(10, 65'001); },
      [](const Impostor& impostor) { impostor.crop(10, 0, ""); },
      [](const Impostor& impostor) { impostor.crop(10, 0, "<script>"); },
      [](const Impostor& impostor) {
        impostor.crop(10, 1);
        impostor.crop(10, 1);
      },
      [](const Impostor& impostor) {
        impostor.crop(10, 0);
        impostor.crop(12, 1);
      },
      [](const Impostor& impostor) {
        for (std::uint32_t i = 0; i < 251; ++i) {
          impostor.crop(10, i);
        }
      },
      // More than two pictures of 64x48 and what 250 JPEGs have beside their pixels.
      [](const Impostor& impostor) {
        const std::string large = "\xff\xd8" + std::string(1'000'000, ' ') + "\xff\xd9";
        for (std::uint32_t i = 0; i < 8; ++i) {
          impostor.crop(10, i, large);
        }
      }};
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_NE(verdict_on_crops(wrong[i]), "") << i;
  }
  // Nobody asked for any.
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.crop(10, 0); }), "");
}

TEST(SegmentRun, RefusesOutcomesThatDoNotAddUp) {
  const std::vector<std::pair<std::string, json::value>> wrong{
      {"processed", 3},         {"processed", -1},
      {"processed", "2"},       {"processed", 1},
      {"processed", 1e300},     {"failed", 1},
      {"skipped", -1},          {"cpu_seconds", "1"},
      {"cpu_seconds", 1e300},   {"cpu_seconds", -1},
      {"tally", {{"a", 9e18}}}, {"provider", 1},
      {"runtime", nullptr},     {"tally", json::array{}},
      {"tally", {{"a", -1}}},   {"tally", {{"a", "1"}}},
      {"reasons", 1},           {"models", 1},
      {"models", {1}},          {"models", {{{"name", "m"}}}}};
  for (const auto& field : wrong) {
    // Clang 14 cannot capture bindings.
    const auto& key = field.first;
    const auto& value = field.second;
    EXPECT_NE(verdict_on([&](json::object& outcome) { outcome[key] = value; }), "")
        << key << " " << value;
    EXPECT_NE(verdict_on([&](json::object& outcome) { outcome.erase(key); }), "") << key;
  }
}

TEST(SegmentRun, RefusesWhatIsNoMessage) {
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.raw("garbage garbage"); }), "");
  EXPECT_NE(
      verdict([](const Impostor& impostor) { impostor.send(MessageType::frame, "", 0xffffffff); }),
      "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::frame, "abc"); }),
            "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::done, "{"); }), "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::done, "[]"); }), "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::error, "{}"); }), "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::read, "x"); }), "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::task, "x"); }), "");
  EXPECT_NE(verdict([](const Impostor& impostor) { impostor.send(MessageType::ready, "{}"); }), "");
  EXPECT_NE(verdict([](const Impostor& impostor) {
              impostor.send(MessageType::done, "", 2 * 1024 * 1024);
            }),
            "");
  EXPECT_NE(verdict([](const Impostor& impostor) {
              impostor.send(MessageType::error, R"({"fault":"damaged","detail":"a\u0007b"})");
            }),
            "");
  EXPECT_NE(verdict([](const Impostor& impostor) {
              impostor.send(MessageType::error, R"({"fault":"mine","detail":"x"})");
            }),
            "");
  EXPECT_NE(verdict([](const Impostor&) {}), "");  // it dies
  EXPECT_EQ(verdict([](const Impostor& impostor) {
              impostor.send(MessageType::error, R"({"fault":"damaged","detail":"x"})");
            }),
            "task failed");
}

}  // namespace
}  // namespace infernode
