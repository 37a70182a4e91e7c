// Goal: four filters of two dimensions are the published one of eight.
// Method: the eight with whole matrices, as DeepSORT's code writes them.
#include "tracking/kalman.hpp"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <random>

namespace infernode::tracking {
namespace {

class Published {
public:
  explicit Published(const Box& box) {
    const cv::Matx41d measured = xyah(box);
    for (int i = 0; i < 4; ++i) {
      mean_(i) = measured(i);
    }
    const double h = measured(3);
    const cv::Matx<double, 8, 1> deviation{2 * h / 20,   2 * h / 20,   1e-2, 2 * h / 20,
                                           10 * h / 160, 10 * h / 160, 1e-5, 10 * h / 160};
    for (int i = 0; i < 8; ++i) {
      covariance_(i, i) = deviation(i) * deviation(i);
      motion_(i, i) = 1;
      if (i < 4) {
        motion_(i, i + 4) = 1;
        update_(i, i) = 1;
      }
    }
  }
  void predict(bool seen) {
    if (!seen) {
      mean_(7) = 0;
    }
    const double h = mean_(3);
    const cv::Matx<double, 8, 1> deviation{h / 20,  h / 20,  1e-2, h / 20,
                                           h / 160, h / 160, 1e-5, h / 160};
    mean_ = motion_ * mean_;
    covariance_ = motion_ * covariance_ * motion_.t();
    for (int i = 0; i < 8; ++i) {
      covariance_(i, i) += deviation(i) * deviation(i);
    }
  }
  void update(const Box& box) {
    const double h = mean_(3);
    const cv::Matx41d deviation{h / 20, h / 20, 1e-1, h / 20};
    cv::Matx44d innovation = update_ * covariance_ * update_.t();
    for (int i = 0; i < 4; ++i) {
      innovation(i, i) += deviation(i) * deviation(i);
    }
    const auto gain = covariance_ * update_.t() * innovation.inv();
    mean_ = mean_ + gain * (xyah(box) - update_ * mean_);
    covariance_ = covariance_ - gain * innovation * gain.t();
  }
  Box box() const {
    const double width = mean_(2) * mean_(3);
    return {mean_(0) - width / 2, mean_(1) - mean_(3) / 2, width, mean_(3)};
  }

private:
  static cv::Matx41d xyah(const Box& box) {
    return {box.left + box.width / 2, box.top + box.height / 2, box.width / box.height, box.height};
  }
  cv::Matx<double, 8, 1> mean_ = cv::Matx<double, 8, 1>::zeros();
  cv::Matx<double, 8, 8> covariance_ = cv::Matx<double, 8, 8>::zeros();
  cv::Matx<double, 8, 8> motion_ = cv::Matx<double, 8, 8>::zeros();
  cv::Matx<double, 4, 8> update_ = cv::Matx<double, 4, 8>::zeros();
};

TEST(Kalman, IsThePublishedFilter) {
  std::mt19937 random{11};
  std::normal_distribution<double> noise{0, 3};
  for (int round = 0; round < 20; ++round) {
    Box truth{100.0 + round, 200, 40, 90};
    KalmanBox ours{truth};
    Published published{truth};
    for (int frame = 0; frame < 100; ++frame) {
      truth.left += 3;
      truth.top -= 1;
      const bool seen = random() % 4 != 0;
      ours.predict(seen);
      published.predict(seen);
      if (seen) {
        const Box measured{truth.left + noise(random), truth.top + noise(random),
                           truth.width + noise(random), truth.height + noise(random)};
        ours.update(measured);
        published.update(measured);
      }
      ASSERT_NEAR(ours.box().left, published.box().left, 1e-6);
      ASSERT_NEAR(ours.box().top, published.box().top, 1e-6);
      ASSERT_NEAR(ours.box().width, published.box().width, 1e-6);
      ASSERT_NEAR(ours.box().height, published.box().height, 1e-6);
    }
  }
}

}  // namespace
}  // namespace infernode::tracking
