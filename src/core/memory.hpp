#pragma once

namespace infernode {

// Lets go of the read-only pages of this program and its libraries that starting has touched: most
// of the libraries are for runners, and what this process needs of them comes back from the page
// cache by itself. What was freed on the heap goes back to the system too.
void release_startup_memory();

}  // namespace infernode
