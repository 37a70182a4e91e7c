// Goal: memory does not grow with a video's length, whatever is asked for. Method: the same picture
// of 1080p at two frames a second, for a short and a longer time, through `infernode run`; the
// peak of its largest process. The encoder holds some tens of pictures, and what allocation leaves
// scattered settles after a hundred, so the shorter one has 120. How many pictures are on their way
// at once is the threads' luck, what a length costs is not: the least of up to three runs counts.
// RUN_LONG_TESTS=1: an hour beside ten minutes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/process.hpp"
#include "testing/ffmpeg.hpp"
#include "testing/long_tests.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

constexpr const char* kMeasure =
    "import resource, subprocess, sys\n"
    "run = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
    "if run.returncode != 0: sys.exit(run.stderr)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n";

// KiB.
long peak_of_run(const std::string& film, const std::vector<std::string>& options) {
  const TemporaryFolder folder;
  std::vector<std::string> command{"env",     "INFERNODE_MODEL_DIR=" INFERNODE_MODELS,
                                   "python3", "-c",
                                   kMeasure,  INFERNODE_BINARY,
                                   "run",     film,
                                   "--out",   (folder.path() / "out").string()};
  command.insert(command.end(), options.begin(), options.end());
  const auto result = run_process(command);
  EXPECT_EQ(result.status, 0) << result.output;
  return std::strtol(result.output.c_str(), nullptr, 10);
}

TEST(LongVideo, TakesNoMoreMemoryThanAShortOne) {
  const bool whole = long_tests_wanted();
  const TemporaryFolder folder;
  const auto film = [&](int seconds) {
    return run_ffmpeg(fmt::format("-f lavfi -i testsrc2=size=1920x1080:rate=2 -t {} -c:v libx264 "
                                  "-preset ultrafast -pix_fmt yuv420p -g 20",
                                  seconds),
                      (folder.path() / fmt::format("{}.mp4", seconds)).string());
  };
  const auto brief = film(whole ? 600 : 60);
  const auto lengthy = film(whole ? 3600 : 180);
  const std::vector<std::vector<std::string>> jobs{
      {"--pipeline", "faces"},
      {"--pipeline", "faces", "--track", "--video", "--anonymize", "blur"}};
  for (const auto& options : jobs) {
    const long before = peak_of_run(brief, options);
    long after = peak_of_run(lengthy, options);
    for (int again = 0; again < 2 && after >= before + before / 10; ++again) {
      after = std::min(after, peak_of_run(lengthy, options));
    }
    std::printf("%s: %ld KiB, then %ld KiB (%.3f)\n", options.back().c_str(), before, after,
                static_cast<double>(after) / static_cast<double>(before));
    EXPECT_LT(after, before + before / 10) << options.back();
  }
}

}  // namespace
}  // namespace infernode::test
