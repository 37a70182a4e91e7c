#pragma once

#include <string_view>
#include <vector>

namespace infernode::db {

// The lines (from 1 on) on which the statements of a script begin. Follows PostgreSQL's rules for
// quotes, dollar quotes and comments (manual, "Lexical Structure"). Only for telling people where
// something failed: the server itself cuts scripts into statements.
std::vector<int> statement_lines(std::string_view sql);

}  // namespace infernode::db
