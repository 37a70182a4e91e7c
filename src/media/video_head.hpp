#pragma once

#include <cstddef>

namespace infernode::media {

// Bytes of an annotated video that are known in the end only (see VideoWriter): MP4's first boxes,
// and the head of the one with the pictures, which tells its size. None is shorter.
constexpr std::size_t kVideoHeadBytes = 64;

}  // namespace infernode::media
