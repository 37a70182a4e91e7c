#include "tracking/assignment.hpp"

#include <algorithm>
#include <limits>

namespace infernode::tracking {
namespace {

// Every row gets a column; there are no fewer columns than rows. `cost` of (row, column).
template <class Cost>
std::vector<int> assign_all(std::size_t rows, std::size_t columns, Cost cost) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // One more row and column, 0, where each search begins.
  std::vector<double> row_potential(rows + 1, 0);
  std::vector<double> column_potential(columns + 1, 0);
  std::vector<std::size_t> row_of(columns + 1, 0);
  std::vector<std::size_t> previous(columns + 1, 0);
  for (std::size_t row = 1; row <= rows; ++row) {
    row_of[0] = row;
    std::size_t column = 0;
    std::vector<double> least(columns + 1, kInfinity);
    std::vector<bool> visited(columns + 1, false);
    do {
      visited[column] = true;
      const std::size_t from = row_of[column];
      double step = kInfinity;
      std::size_t next = 0;
      for (std::size_t j = 1; j <= columns; ++j) {
        if (visited[j]) {
          continue;
        }
        const double reduced = cost(from - 1, j - 1) - row_potential[from] - column_potential[j];
        if (reduced < least[j]) {
          least[j] = reduced;
          previous[j] = column;
        }
        if (least[j] < step) {
          step = least[j];
          next = j;
        }
      }
      for (std::size_t j = 0; j <= columns; ++j) {
        if (visited[j]) {
          row_potential[row_of[j]] += step;
          column_potential[j] -= step;
        } else {
          least[j] -= step;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    while (column != 0) {
      row_of[column] = row_of[previous[column]];
      column = previous[column];
    }
  }
  std::vector<int> column_of(rows, -1);
  for (std::size_t j = 1; j <= columns; ++j) {
    if (row_of[j] != 0) {
      column_of[row_of[j] - 1] = static_cast<int>(j - 1);
    }
  }
  return column_of;
}

}  // namespace

std::vector<int> assign(const CostMatrix& matrix, double limit) {
  std::vector<int> column_of(matrix.rows, -1);
  // What costs the limit is as good as no pair.
  if (matrix.rows <= matrix.columns) {
    column_of = assign_all(matrix.rows, matrix.columns, [&](std::size_t row, std::size_t column) {
      return matrix.at(row, column) < limit ? matrix.at(row, column) : limit;
    });
  } else {
    const auto row_of =
        assign_all(matrix.columns, matrix.rows, [&](std::size_t column, std::size_t row) {
          return matrix.at(row, column) < limit ? matrix.at(row, column) : limit;
        });
    for (std::size_t column = 0; column < row_of.size(); ++column) {
      column_of[static_cast<std::size_t>(row_of[column])] = static_cast<int>(column);
    }
  }
  for (std::size_t row = 0; row < matrix.rows; ++row) {
    if (column_of[row] >= 0 &&
        !(matrix.at(row, static_cast<std::size_t>(column_of[row])) < limit)) {
      column_of[row] = -1;
    }
  }
  return column_of;
}

}  // namespace infernode::tracking
