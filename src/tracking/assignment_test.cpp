// Goal: pairs are the best there are. Method: every way of pairing small matrices.
#include "tracking/assignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace infernode::tracking {
namespace {

double gain_of(const CostMatrix& matrix, const std::vector<int>& columns, double limit) {
  double gain = 0;
  for (std::size_t row = 0; row < columns.size(); ++row) {
    gain += columns[row] < 0 ? 0 : limit - matrix.at(row, static_cast<std::size_t>(columns[row]));
  }
  return gain;
}

double best_gain(const CostMatrix& matrix, double limit, std::size_t row,
                 std::vector<bool>& taken) {
  if (row == matrix.rows) {
    return 0;
  }
  double best = best_gain(matrix, limit, row + 1, taken);
  for (std::size_t column = 0; column < matrix.columns; ++column) {
    if (!taken[column] && matrix.at(row, column) < limit) {
      taken[column] = true;
      best =
          std::max(best, limit - matrix.at(row, column) + best_gain(matrix, limit, row + 1, taken));
      taken[column] = false;
    }
  }
  return best;
}

TEST(Assignment, IsTheBestOfAll) {
  std::mt19937 random{5};
  for (int round = 0; round < 3000; ++round) {
    CostMatrix matrix{random() % 6, random() % 6, 0};
    for (double& cost : matrix.costs) {
      cost = static_cast<double>(random() % 11) / 10;  // often equal, often at the limit
    }
    const double limit = static_cast<double>(random() % 12) / 10;
    const auto columns = assign(matrix, limit);
    ASSERT_EQ(columns.size(), matrix.rows);
    std::vector<int> used = columns;
    std::erase(used, -1);
    std::sort(used.begin(), used.end());
    EXPECT_EQ(std::adjacent_find(used.begin(), used.end()), used.end());
    std::vector<bool> taken(matrix.columns, false);
    EXPECT_NEAR(gain_of(matrix, columns, limit), best_gain(matrix, limit, 0, taken), 1e-9);
  }
}

}  // namespace
}  // namespace infernode::tracking
