#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "cli/commands.hpp"
#include "core/json.hpp"
#include "tracking/metrics.hpp"

namespace infernode::cli {
namespace {

std::vector<tracking::TrackedBox> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) {
    throw std::runtime_error(path + " cannot be read");
  }
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  try {
    return tracking::read_mot(text);
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("{}: {}", path, error.what()));
  }
}

void score(const std::string& truth, const std::string& result, bool as_json) {
  const auto scores = tracking::score_tracks(read_file(truth), read_file(result));
  if (as_json) {
    const boost::json::object object{{"mota", scores.mota},
                                     {"idf1", scores.idf1},
                                     {"hota", scores.hota},
                                     {"detection_accuracy", scores.detection_accuracy},
                                     {"association_accuracy", scores.association_accuracy},
                                     {"missed", scores.missed},
                                     {"false_hits", scores.false_hits},
                                     {"switches", scores.switches}};
    std::printf("%s\n", json_text(object).c_str());
    return;
  }
  std::printf("MOTA %.3f (%lld missed, %lld false, %lld switches)\nIDF1 %.3f\n", scores.mota,
              static_cast<long long>(scores.missed), static_cast<long long>(scores.false_hits),
              static_cast<long long>(scores.switches), scores.idf1);
  std::printf("HOTA %.3f (detection %.3f, association %.3f)\n", scores.hota,
              scores.detection_accuracy, scores.association_accuracy);
}

}  // namespace

void add_tracks_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "tracks:score", "Say how good tracks are, against a truth");
  struct Options {
    std::string truth;
    std::string result;
    bool as_json = false;
  };
  auto options = std::make_shared<Options>();
  command
      ->add_option("TRUTH", options->truth,
                   "Lines of the MOT Challenge: frame, id, left, top, width, height")
      ->required();
  command->add_option("RESULT", options->result, "The same of what is to be judged")->required();
  command->add_flag("--json", options->as_json, "For programs");
  command->callback([&status, options] {
    score(options->truth, options->result, options->as_json);
    status = 0;
  });
}

}  // namespace infernode::cli
