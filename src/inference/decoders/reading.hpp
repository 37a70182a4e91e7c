#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/suppression.hpp"
#include "inference/model.hpp"
#include "inference/onnx_session.hpp"

// What the decoders read outputs with.
namespace infernode::inference {

// A matrix in a tensor; the last dimension is the row's width.
struct Rows {
  std::span<const float> values;
  std::size_t count = 0;
  std::size_t width = 0;

  std::span<const float> row(std::size_t index) const {
    return values.subspan(index * width, width);
  }
};

// The tensor as rows of `width` values (0: of its last dimension), whatever dimensions of one are
// around it. Throws std::runtime_error that says what was wanted: "[1, N, 6]".
Rows rows_of(const Tensor& tensor, std::size_t width, const std::string& wanted);

// A list of single values. Throws std::runtime_error when there are not `count`.
std::span<const float> list_of(const Tensor& tensor, std::size_t count, const std::string& wanted);

// Throws UnfitModel: an output has another shape than was wanted.
[[noreturn]] void refuse_shape(const Tensor& tensor, const std::string& wanted);

// Throws UnfitModel: this class has no label. A box left out in silence would be one that is not
// hidden.
[[noreturn]] void refuse_class(double class_number, std::size_t labels);

inline double sigmoid(double value) {
  return 1 / (1 + std::exp(-value));
}

// A row's scores as probabilities. The row must outlive it.
class Probabilities {
public:
  Probabilities(std::span<const float> scores, Scores kind);
  double at(std::size_t index) const;

private:
  std::span<const float> scores_;
  Scores kind_;
  double highest_ = 0;  // of a softmax
  double sum_ = 0;      // likewise
};

struct BestClass {
  int class_id = 0;
  double score = 0;  // a probability
};

// The best of a row's scores, made a probability. `skip_first`, `skip_last`: classes that stand for
// "nothing"; they count in a softmax. Class 0 is the first that is not skipped.
BestClass best_class(std::span<const float> scores, Scores kind, bool skip_first = false,
                     bool skip_last = false);

// What lengths of an output are multiplied by to be pixels of the input.
struct Scale {
  double x = 1;
  double y = 1;
};
Scale scale_of(const DecoderContext& context);

// Adds keypoints, of which `point` gives x, y and score, or y, x and score. One that has none of
// these as a number is in the middle of the box, with confidence 0. False: there was one.
bool add_keypoints(Candidate& found, std::size_t count,
                   const std::function<std::array<double, 3>(std::size_t)>& point, bool y_first,
                   Scale scale);

// A box out of four values in that order.
Candidate box_of(const BestClass& best, std::array<double, 4> values, BoxOrder order, Scale scale);

// A box by its centre and size.
Candidate centred_box(const BestClass& best, double x, double y, double width, double height,
                      Scale scale = {});

}  // namespace infernode::inference
