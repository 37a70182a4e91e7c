#include "tracking/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <stdexcept>

#include "tracking/assignment.hpp"

namespace infernode::tracking {
namespace {

constexpr double kSameBox = 0.5;  // overlap
constexpr int kOverlaps = 19;     // of HOTA

// Ids as 0, 1, 2 ... in the order of their first box.
class Numbering {
public:
  std::size_t of(int id) { return numbers_.emplace(id, numbers_.size()).first->second; }
  std::size_t size() const { return numbers_.size(); }

private:
  std::map<int, std::size_t> numbers_;
};

// One frame: its boxes by the numbers of their tracks, and how they overlap.
struct Frame {
  std::vector<std::size_t> truth;
  std::vector<std::size_t> result;
  CostMatrix overlaps{0, 0, 0};
};

struct Sequence {
  std::vector<Frame> frames;
  // Boxes of each track.
  std::vector<std::int64_t> truth_counts;
  std::vector<std::int64_t> result_counts;
  std::int64_t truth_boxes = 0;
  std::int64_t result_boxes = 0;
};

Sequence arranged(const std::vector<TrackedBox>& truth, const std::vector<TrackedBox>& result) {
  std::map<int, std::pair<std::vector<const TrackedBox*>, std::vector<const TrackedBox*>>> by_frame;
  for (const auto& box : truth) {
    by_frame[box.frame].first.push_back(&box);
  }
  for (const auto& box : result) {
    by_frame[box.frame].second.push_back(&box);
  }
  Numbering truth_ids;
  Numbering result_ids;
  Sequence sequence;
  for (const auto& [number, boxes] : by_frame) {
    Frame frame;
    frame.overlaps = CostMatrix{boxes.first.size(), boxes.second.size(), 0};
    for (const auto* box : boxes.first) {
      frame.truth.push_back(truth_ids.of(box->id));
    }
    for (const auto* box : boxes.second) {
      frame.result.push_back(result_ids.of(box->id));
    }
    for (std::size_t i = 0; i < frame.truth.size(); ++i) {
      for (std::size_t j = 0; j < frame.result.size(); ++j) {
        frame.overlaps.at(i, j) =
            intersection_over_union(boxes.first[i]->box, boxes.second[j]->box);
      }
    }
    sequence.frames.push_back(std::move(frame));
  }
  sequence.truth_counts.resize(truth_ids.size(), 0);
  sequence.result_counts.resize(result_ids.size(), 0);
  for (const auto& frame : sequence.frames) {
    for (const auto id : frame.truth) {
      ++sequence.truth_counts[id];
    }
    for (const auto id : frame.result) {
      ++sequence.result_counts[id];
    }
  }
  sequence.truth_boxes = static_cast<std::int64_t>(truth.size());
  sequence.result_boxes = static_cast<std::int64_t>(result.size());
  return sequence;
}

void score_clear(const Sequence& sequence, Scores& scores) {
  std::vector<std::optional<std::size_t>> last_match(sequence.truth_counts.size());
  // What was matched in the frame before stays so, if it can.
  std::vector<std::optional<std::size_t>> match_before(sequence.truth_counts.size());
  for (const auto& frame : sequence.frames) {
    if (frame.truth.empty() || frame.result.empty()) {
      scores.missed += static_cast<std::int64_t>(frame.truth.size());
      scores.false_hits += static_cast<std::int64_t>(frame.result.size());
      continue;
    }
    CostMatrix costs{frame.truth.size(), frame.result.size(), 0};
    for (std::size_t i = 0; i < costs.rows; ++i) {
      for (std::size_t j = 0; j < costs.columns; ++j) {
        const double overlap = frame.overlaps.at(i, j);
        const bool stays = match_before[frame.truth[i]] == frame.result[j];
        costs.at(i, j) = overlap >= kSameBox ? -(overlap + (stays ? 1000 : 0)) : 0;
      }
    }
    const auto pairs = assign(costs, 0);
    std::fill(match_before.begin(), match_before.end(), std::nullopt);
    std::int64_t matched = 0;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i] < 0) {
        continue;
      }
      ++matched;
      const std::size_t id = frame.result[static_cast<std::size_t>(pairs[i])];
      auto& last = last_match[frame.truth[i]];
      scores.switches += last && *last != id ? 1 : 0;
      last = id;
      match_before[frame.truth[i]] = id;
    }
    scores.missed += static_cast<std::int64_t>(frame.truth.size()) - matched;
    scores.false_hits += static_cast<std::int64_t>(frame.result.size()) - matched;
  }
  scores.mota = sequence.truth_boxes == 0
                    ? 0
                    : 1 - static_cast<double>(scores.missed + scores.false_hits + scores.switches) /
                              static_cast<double>(sequence.truth_boxes);
}

void score_identities(const Sequence& sequence, Scores& scores) {
  // In how many frames two tracks are at the same place.
  CostMatrix common{sequence.truth_counts.size(), sequence.result_counts.size(), 0};
  for (const auto& frame : sequence.frames) {
    for (std::size_t i = 0; i < frame.truth.size(); ++i) {
      for (std::size_t j = 0; j < frame.result.size(); ++j) {
        common.at(frame.truth[i], frame.result[j]) -= frame.overlaps.at(i, j) >= kSameBox ? 1 : 0;
      }
    }
  }
  // A pair saves as many missed and as many false boxes as it has frames in common.
  const auto pairs = assign(common, 0);
  double found = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    found -= pairs[i] < 0 ? 0 : common.at(i, static_cast<std::size_t>(pairs[i]));
  }
  const auto boxes = static_cast<double>(sequence.truth_boxes + sequence.result_boxes);
  scores.idf1 = boxes == 0 ? 0 : 2 * found / boxes;
}

// How well two tracks fit as wholes, whatever the overlap that is asked for.
CostMatrix global_alignment(const Sequence& sequence) {
  CostMatrix score{sequence.truth_counts.size(), sequence.result_counts.size(), 0};
  for (const auto& frame : sequence.frames) {
    std::vector<double> row_sum(frame.truth.size(), 0);
    std::vector<double> column_sum(frame.result.size(), 0);
    for (std::size_t i = 0; i < frame.truth.size(); ++i) {
      for (std::size_t j = 0; j < frame.result.size(); ++j) {
        row_sum[i] += frame.overlaps.at(i, j);
        column_sum[j] += frame.overlaps.at(i, j);
      }
    }
    for (std::size_t i = 0; i < frame.truth.size(); ++i) {
      for (std::size_t j = 0; j < frame.result.size(); ++j) {
        const double overlap = frame.overlaps.at(i, j);
        const double all = row_sum[i] + column_sum[j] - overlap;
        score.at(frame.truth[i], frame.result[j]) += all > 0 ? overlap / all : 0;
      }
    }
  }
  for (std::size_t i = 0; i < score.rows; ++i) {
    for (std::size_t j = 0; j < score.columns; ++j) {
      score.at(i, j) /= static_cast<double>(sequence.truth_counts[i] + sequence.result_counts[j]) -
                        score.at(i, j);
    }
  }
  return score;
}

void score_hota(const Sequence& sequence, Scores& scores) {
  const CostMatrix alignment = global_alignment(sequence);
  std::vector<CostMatrix> matches(kOverlaps, CostMatrix{alignment.rows, alignment.columns, 0});
  std::vector<double> found(kOverlaps, 0);
  const auto overlap_of = [](int step) { return 0.05 * (step + 1); };
  for (const auto& frame : sequence.frames) {
    CostMatrix costs{frame.truth.size(), frame.result.size(), 0};
    for (std::size_t i = 0; i < costs.rows; ++i) {
      for (std::size_t j = 0; j < costs.columns; ++j) {
        costs.at(i, j) = -alignment.at(frame.truth[i], frame.result[j]) * frame.overlaps.at(i, j);
      }
    }
    const auto pairs = assign(costs, 0);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i] < 0) {
        continue;
      }
      const auto j = static_cast<std::size_t>(pairs[i]);
      for (int step = 0; step < kOverlaps; ++step) {
        if (frame.overlaps.at(i, j) >= overlap_of(step) - 1e-12) {
          ++found[static_cast<std::size_t>(step)];
          ++matches[static_cast<std::size_t>(step)].at(frame.truth[i], frame.result[j]);
        }
      }
    }
  }
  for (std::size_t step = 0; step < kOverlaps; ++step) {
    double association = 0;
    for (std::size_t i = 0; i < alignment.rows; ++i) {
      for (std::size_t j = 0; j < alignment.columns; ++j) {
        const double count = matches[step].at(i, j);
        association +=
            count * count /
            std::max(
                1.0,
                static_cast<double>(sequence.truth_counts[i] + sequence.result_counts[j]) - count);
      }
    }
    const double all =
        static_cast<double>(sequence.truth_boxes + sequence.result_boxes) - found[step];
    const double detection = found[step] / std::max(1.0, all);
    association /= std::max(1.0, found[step]);
    scores.detection_accuracy += detection / kOverlaps;
    scores.association_accuracy += association / kOverlaps;
    scores.hota += std::sqrt(detection * association) / kOverlaps;
  }
}

}  // namespace

Scores score_tracks(const std::vector<TrackedBox>& truth, const std::vector<TrackedBox>& result) {
  const auto sequence = arranged(truth, result);
  Scores scores;
  score_clear(sequence, scores);
  score_identities(sequence, scores);
  score_hota(sequence, scores);
  return scores;
}

std::vector<TrackedBox> read_mot(std::string_view csv) {
  std::vector<TrackedBox> boxes;
  int line_number = 0;
  while (!csv.empty()) {
    const auto end = csv.find('\n');
    auto line = csv.substr(0, end);
    csv.remove_prefix(end == std::string_view::npos ? csv.size() : end + 1);
    ++line_number;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      continue;
    }
    std::vector<double> numbers;
    while (numbers.size() < 7 && !line.empty()) {
      const auto comma = line.find(',');
      auto field = line.substr(0, comma);
      line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
      field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
      double number = 0;
      const auto parsed = std::from_chars(field.data(), field.data() + field.size(), number);
      if (parsed.ec != std::errc{} || !(std::abs(number) <= 1e9)) {
        throw std::runtime_error(fmt::format("line {}: '{}' is no number", line_number, field));
      }
      numbers.push_back(number);
    }
    if (numbers.size() < 6 || !(numbers[4] > 0) || !(numbers[5] > 0)) {
      throw std::runtime_error(fmt::format(
          "line {} is not 'frame, id, left, top, width, height' of a box", line_number));
    }
    if (numbers.size() < 7 || numbers[6] != 0) {
      boxes.push_back({static_cast<int>(numbers[0]),
                       static_cast<int>(numbers[1]),
                       {numbers[2], numbers[3], numbers[4], numbers[5]}});
    }
  }
  return boxes;
}

}  // namespace infernode::tracking
