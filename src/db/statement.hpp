#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace infernode::db {

// One SQL statement with values as $1, $2, ... The name is stable: it is the prepared statement's
// name and labels errors and logs.
struct Statement {
  const char* name;
  const char* sql;
  bool binary_result = false;  // for a result of bytea columns only, read without hex encoding
};

inline constexpr Statement kBegin{"db.begin", "BEGIN"};
inline constexpr Statement kCommit{"db.commit", "COMMIT"};
inline constexpr Statement kRollback{"db.rollback", "ROLLBACK"};

// A piece of SQL that several statements share, such as a table's list of columns.
template <std::size_t N>
struct Text {
  char value[N]{};
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is meant
  constexpr Text(const char (&text)[N]) { std::copy_n(text, N, value); }
};

template <Text... Parts>
constexpr auto joined() {
  std::array<char, (sizeof(Parts.value) + ... + 1) - sizeof...(Parts)> text{};
  std::size_t at = 0;
  ((std::copy_n(Parts.value, sizeof(Parts.value) - 1, text.data() + at),
    at += sizeof(Parts.value) - 1),
   ...);
  return text;
}
template <Text... Parts>
inline constexpr auto kJoined = joined<Parts...>();

// The pieces as one text: Statement kFind{"users.find", sql<"SELECT ", kColumns, " FROM ...">}.
template <Text... Parts>
inline constexpr const char* sql = kJoined<Parts...>.data();

}  // namespace infernode::db
