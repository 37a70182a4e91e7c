#pragma once

#include <string>

namespace infernode {

// bcrypt through libxcrypt ("$2b$"). Both functions take a good part of a second at the usual cost,
// so they never run on an I/O thread.

// `cost`: 4..31, the work grows as 2^cost. Throws std::runtime_error.
std::string hash_password(const std::string& password, int cost);
// Compares in constant time. False also for a hash that is none.
bool password_matches(const std::string& password, const std::string& hash);

}  // namespace infernode
