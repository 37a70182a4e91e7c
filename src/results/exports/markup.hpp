#pragma once

#include <string>

namespace infernode {

// Text inside XML, an attribute of it, or WebVTT; what these cannot hold becomes a blank.
std::string markup_text(const std::string& text);

}  // namespace infernode
