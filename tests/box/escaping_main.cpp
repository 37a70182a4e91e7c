// The whole program, but with runners that were taken over: a "video" that begins with "ESCAPE"
// says what to try once it is opened.
#include <string>
#include <string_view>

#include "runner/child/runner.hpp"
#include "testing/escapes.hpp"

int infernode_main(int argc, char** argv);  // src/main.cpp

namespace {

namespace json = boost::json;
using infernode::runner::RunnerParts;

json::object run_or_escape(const json::value& task, const RunnerParts& parts) {
  const auto bytes = json::value_to<std::int64_t>(task.at("video_bytes"));
  infernode::runner::ChannelSource source{parts.channel, 0, bytes};
  std::string words(static_cast<std::size_t>(std::min<std::int64_t>(bytes, 1000)), '\0');
  words.resize(source.read_at(0, std::as_writable_bytes(std::span{words})));
  const std::string mark = "ESCAPE ";
  return words.starts_with(mark) ? infernode::test::try_to_escape(words.substr(mark.size()), parts)
                                 : infernode::runner::run_task(task, parts);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view{argv[1]} == "runner") {
    infernode::runner::run_runner(infernode::runner::RunnerOptions::from_argument(argv[2]),
                                  run_or_escape);
  }
  return infernode_main(argc, argv);
}
