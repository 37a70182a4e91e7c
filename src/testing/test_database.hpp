#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/pool.hpp"

namespace infernode::test {

// A database of its own for a test, copied from a template that holds the schema; gone when
// destroyed. The PostgreSQL cluster behind it is started once a process and runs without fsync.
class TestDatabase {
public:
  // `connections`: of the pool.
  explicit TestDatabase(int connections = 8);
  // Of a gzipped dump (plain SQL) instead of the template, migrated to the schema of today.
  explicit TestDatabase(const std::filesystem::path& dump, int connections = 8);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  boost::asio::io_context& context() { return context_; }
  db::Pool& pool() { return *pool_; }
  const std::string& conninfo() const { return conninfo_; }

  // Runs a coroutine to its end, with whatever else the context has to do. Throws what it throws.
  void run(std::function<boost::asio::awaitable<void>()> body);
  // Rows of a query, every value as text; an error throws std::runtime_error.
  std::vector<std::vector<std::string>> sql(const std::string& query) const;
  // The one value of a query.
  std::string value(const std::string& query) const { return sql(query).at(0).at(0); }
  // Moves what the database takes for the present: leases end, retries are due, staged blobs
  // expire.
  void pass_time(std::chrono::seconds time) const;

private:
  std::string name_;
  std::string conninfo_;
  boost::asio::io_context context_{1};
  std::unique_ptr<db::Pool> pool_;
};

// Round trips to the database that `body` makes through the pool.
std::int64_t count_round_trips(TestDatabase& database,
                               std::function<boost::asio::awaitable<void>()> body);

}  // namespace infernode::test
