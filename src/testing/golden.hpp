#pragma once

#include <string>

#include "media/image.hpp"

namespace infernode::test {

// Expects a picture like the one that somebody has looked at, `file` below src/, a PPM.
// INFERNODE_WRITE_GOLDEN=1 in the environment writes it anew.
void expect_golden(const media::Image& image, const std::string& file);

}  // namespace infernode::test
