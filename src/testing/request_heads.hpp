#pragma once

#include <vector>

namespace infernode::test {

struct RequestHead {
  const char* head;  // without the empty line
  int status;        // that it must get; 0: it is sound
};

// Made from the rules of RFC 9112 and RFC 9110.
const std::vector<RequestHead>& request_heads();

}  // namespace infernode::test
