#pragma once

#include <string>

namespace infernode::bench {

// Two servers with as little in them as Boost.Beast allows: what HTTP itself costs, and what one
// prepared select behind each request adds to it. Each listens on a free port of 127.0.0.1, prints
// it on a line of its own, and serves until it is killed.

// Answers every request with one constant text.
void serve_constant();
// GET /.../ID: the row of "Users" with that id as JSON, by asynchronous libpq over four connections
// that are handed out in the order in which they were asked for. No token, no checks.
void serve_select(const std::string& conninfo);

}  // namespace infernode::bench
