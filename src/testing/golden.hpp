#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "media/image.hpp"

namespace infernode::test {

// Expects a picture like the one that somebody has looked at, `file` below src/, a PPM.
// INFERNODE_WRITE_GOLDEN=1 in the environment writes it anew.
void expect_golden(const media::Image& image, const std::string& file);

// The same for an annotated image as a job makes it; `file` is a JPEG below the project's root.
void expect_golden_jpeg(const std::vector<std::byte>& jpeg, const std::string& file);

}  // namespace infernode::test
