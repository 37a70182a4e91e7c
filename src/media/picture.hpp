#pragma once

#include <cstddef>
#include <span>

#include "media/frame_reader.hpp"

namespace infernode::media {

// The one frame of a JPEG or PNG file. Throws MediaError for what is neither, is damaged or has
// more pixels than a video may (kMaxPixels).
DecodedFrame decode_picture(std::span<const std::byte> file);

}  // namespace infernode::media
