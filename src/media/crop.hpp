#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace infernode::media {

// What one object of a frame looks like.
struct Crop {
  std::uint32_t object = 0;  // its place in the frame's list, from 0
  std::vector<std::byte> jpeg;
};

// Of one frame: no more than so many, and together no more pixels than so many frames have.
constexpr std::uint32_t kMaxCrops = 250;
constexpr int kMaxCropFrames = 2;
// No crop is of an object behind this one.
constexpr std::uint32_t kMaxCropObject = 65'000;

}  // namespace infernode::media
