#pragma once

namespace infernode::db {

// One SQL statement with values as $1, $2, ... The name is stable: it is the prepared statement's
// name and labels errors and logs.
struct Statement {
  const char* name;
  const char* sql;
  bool binary_result = false;  // for a result that is one bytea column, read without hex encoding
};

}  // namespace infernode::db
