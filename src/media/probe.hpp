#pragma once

#include "media/byte_source.hpp"
#include "media/media_info.hpp"

namespace infernode::media {

// Reads a whole video once, without decoding more than its first frame. A file that was cut off or
// whose first frame cannot be decoded is refused. Throws MediaError.
MediaInfo probe(ByteSource& source);

}  // namespace infernode::media
