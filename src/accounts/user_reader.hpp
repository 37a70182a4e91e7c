#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "accounts/credential.hpp"
#include "accounts/user.hpp"
#include "db/batch_reader.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// Reads whom requests come from, as they are now, for many requests at once.
class UserReader {
public:
  // `database` must outlive it.
  explicit UserReader(db::Pool& database);

  // Null when there is none. Throws what the database throws, to all that waited for the same.
  asio::awaitable<std::shared_ptr<const User>> find(UserId id);
  // Whoever has the secret with this hash (see credential.hpp), with the user; null when it is not
  // valid (any more).
  asio::awaitable<std::shared_ptr<const Bearer>> find_bearer(std::string hash);

private:
  db::BatchReader<UserId, User> users_;
  db::BatchReader<std::string, Bearer> bearers_;
};

}  // namespace infernode
