#pragma once

#include <algorithm>

namespace infernode {

// In pixels.
struct Box {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
};

// Area of the intersection over that of the union, 0..1.
inline double intersection_over_union(const Box& a, const Box& b) {
  const double width = std::min(a.left + a.width, b.left + b.width) - std::max(a.left, b.left);
  const double height = std::min(a.top + a.height, b.top + b.height) - std::max(a.top, b.top);
  if (width <= 0 || height <= 0) {
    return 0;
  }
  const double common = width * height;
  return common / (a.width * a.height + b.width * b.height - common);
}

}  // namespace infernode
