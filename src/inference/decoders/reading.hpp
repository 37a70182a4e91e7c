#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

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

// A box by its centre and size; all lengths are multiplied by `scale_x` or `scale_y`.
Candidate centred_box(const BestClass& best, double x, double y, double width, double height,
                      double scale_x = 1, double scale_y = 1);

}  // namespace infernode::inference
