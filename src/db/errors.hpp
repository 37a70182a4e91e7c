#pragma once

#include <stdexcept>
#include <string>

#include "core/error.hpp"

namespace infernode::db {

// The connection to PostgreSQL is gone, could not be made, or gave no answer in time. What was
// under way has failed; nothing is known of a COMMIT that was under way.
class ConnectionLost : public Unavailable {
public:
  using Unavailable::Unavailable;
};

// PostgreSQL has no room left to write to. Nothing was changed.
class DiskFull : public StorageFull {
public:
  using StorageFull::StorageFull;
};

// PostgreSQL refused a statement.
class SqlError : public std::runtime_error {
public:
  SqlError(const std::string& message, std::string sqlstate, std::string constraint, int position,
           int statement)
      : std::runtime_error{message},
        sqlstate_{std::move(sqlstate)},
        constraint_{std::move(constraint)},
        position_{position},
        statement_{statement} {}

  const std::string& sqlstate() const { return sqlstate_; }
  // The violated constraint, or empty.
  const std::string& constraint() const { return constraint_; }
  // 1-based character position in the statement or script, or 0.
  int position() const { return position_; }
  // Which statement of a script it was, from 1 on.
  int statement() const { return statement_; }
  bool is_unique_violation() const { return sqlstate_ == "23505"; }

private:
  std::string sqlstate_;
  std::string constraint_;
  int position_;
  int statement_;
};

}  // namespace infernode::db
