#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "accounts/user.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// Reads users as they are, for many requests in one statement: while one is under way, those who
// ask wait for the next, which is for all of them. Each user is read after they were asked for.
class UserReader {
public:
  // `database` must outlive it.
  explicit UserReader(db::Pool& database);

  // Null when there is none. Throws what the database throws, to all that waited for the same.
  asio::awaitable<std::shared_ptr<const User>> find(UserId id);

private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace infernode
