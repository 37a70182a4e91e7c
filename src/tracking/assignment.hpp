#pragma once

#include <cstddef>
#include <vector>

namespace infernode::tracking {

// Costs of pairing rows with columns.
struct CostMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> costs;  // row by row

  CostMatrix(std::size_t row_count, std::size_t column_count, double cost)
      : rows{row_count}, columns{column_count}, costs(row_count * column_count, cost) {}
  double& at(std::size_t row, std::size_t column) { return costs[row * columns + column]; }
  double at(std::size_t row, std::size_t column) const { return costs[row * columns + column]; }
};

// Pairs that cost less than `limit` such that the sum of (limit - cost) is the largest there is:
// the assignment problem with an alternative of cost `limit` for everybody. For each row its
// column, or -1. Equal costs are decided the same way every time. O(n^2 m) for the smaller side n
// (Kuhn 1955, Munkres 1957, as shortest augmenting paths with potentials).
std::vector<int> assign(const CostMatrix& matrix, double limit);

}  // namespace infernode::tracking
