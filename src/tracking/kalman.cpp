#include "tracking/kalman.hpp"

#include <algorithm>

namespace infernode::tracking {
namespace {

// Noise as a share of the box's height (DeepSORT).
constexpr double kPositionWeight = 1.0 / 20;
constexpr double kVelocityWeight = 1.0 / 160;
// Of the aspect ratio.
constexpr double kAspectNoise = 1e-2;
constexpr double kAspectVelocityNoise = 1e-5;
constexpr double kAspectMeasureNoise = 1e-1;

double square(double value) {
  return value * value;
}

}  // namespace

void KalmanBox::Axis::predict(double value_noise, double velocity_noise) {
  value += velocity;
  value_variance += 2 * covariance + velocity_variance + square(value_noise);
  covariance += velocity_variance;
  velocity_variance += square(velocity_noise);
}

void KalmanBox::Axis::update(double measured, double noise) {
  const double innovation_variance = value_variance + square(noise);
  const double value_gain = value_variance / innovation_variance;
  const double velocity_gain = covariance / innovation_variance;
  const double innovation = measured - value;
  value += value_gain * innovation;
  velocity += velocity_gain * innovation;
  velocity_variance -= velocity_gain * covariance;
  covariance -= value_gain * covariance;
  value_variance -= value_gain * value_variance;
}

KalmanBox::KalmanBox(const Box& measured) {
  const double height = measured.height;
  const auto begin = [](double value, double noise, double velocity_noise) {
    return Axis{value, 0, square(noise), 0, square(velocity_noise)};
  };
  const double position = 2 * kPositionWeight * height;
  const double velocity = 10 * kVelocityWeight * height;
  x_ = begin(measured.left + measured.width / 2, position, velocity);
  y_ = begin(measured.top + measured.height / 2, position, velocity);
  aspect_ = begin(measured.width / height, kAspectNoise, kAspectVelocityNoise);
  height_ = begin(height, position, velocity);
}

void KalmanBox::predict(bool seen) {
  if (!seen) {
    height_.velocity = 0;
  }
  const double position = kPositionWeight * height_.value;
  const double velocity = kVelocityWeight * height_.value;
  x_.predict(position, velocity);
  y_.predict(position, velocity);
  aspect_.predict(kAspectNoise, kAspectVelocityNoise);
  height_.predict(position, velocity);
}

void KalmanBox::update(const Box& measured) {
  const double noise = kPositionWeight * height_.value;
  x_.update(measured.left + measured.width / 2, noise);
  y_.update(measured.top + measured.height / 2, noise);
  aspect_.update(measured.width / measured.height, kAspectMeasureNoise);
  height_.update(measured.height, noise);
}

double KalmanBox::squared_distance(const Box& measured) const {
  const double noise = square(kPositionWeight * height_.value);
  const double x = measured.left + measured.width / 2 - x_.value;
  const double y = measured.top + measured.height / 2 - y_.value;
  return square(x) / (x_.value_variance + noise) + square(y) / (y_.value_variance + noise);
}

Box KalmanBox::box() const {
  const double height = std::max(0.0, height_.value);
  const double width = std::max(0.0, aspect_.value * height);
  return {x_.value - width / 2, y_.value - height / 2, width, height};
}

}  // namespace infernode::tracking
