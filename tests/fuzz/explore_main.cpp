// One target for libFuzzer, which looks for bytes that reach code that none reached before.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "targets.hpp"

extern "C" {
#include <libavutil/log.h>
}

namespace {

const infernode::fuzz::Target& chosen() {
  const char* name = std::getenv("INFERNODE_FUZZ_TARGET");
  for (const auto& target : infernode::fuzz::targets()) {
    if (name != nullptr && target.name == name) {
      return target;
    }
  }
  std::abort();  // tests/fuzz/explore names one that there is
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto& target = chosen();
  av_log_set_level(AV_LOG_QUIET);
  target.run({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
