#include "core/memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace infernode {
namespace {

// Segments that the linker cannot have written to are as they are in their file.
int release_segments(dl_phdr_info* library, std::size_t /*size*/, void* /*context*/) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const auto& segment = library->dlpi_phdr[i];
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) == 0) {
      const auto begin = (library->dlpi_addr + segment.p_vaddr) & ~(page - 1);
      const auto end = library->dlpi_addr + segment.p_vaddr + segment.p_memsz;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses of segments are numbers
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }
  return 0;
}

}  // namespace

void release_startup_memory() {
  dl_iterate_phdr(release_segments, nullptr);
  malloc_trim(0);
}

}  // namespace infernode
