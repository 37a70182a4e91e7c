#include "accounts/user_reader.hpp"

#include "accounts/credential_dao.hpp"
#include "accounts/user_dao.hpp"

namespace infernode {

UserReader::UserReader(db::Pool& database)
    : users_{[&database](
                 std::vector<UserId> ids) -> asio::awaitable<db::BatchReader<UserId, User>::Found> {
        auto users = co_await user_dao::find_all(database, std::move(ids));
        db::BatchReader<UserId, User>::Found found;
        for (auto& user : users) {
          const UserId id = user.id;
          found.emplace_back(id, std::make_shared<const User>(std::move(user)));
        }
        co_return found;
      }},
      bearers_{[&database](std::vector<std::string> hashes)
                   -> asio::awaitable<db::BatchReader<std::string, Bearer>::Found> {
        auto bearers = co_await credential_dao::find_bearers(database, std::move(hashes));
        db::BatchReader<std::string, Bearer>::Found found;
        for (auto& bearer : bearers) {
          std::string hash = bearer.hash;
          found.emplace_back(std::move(hash), std::make_shared<const Bearer>(std::move(bearer)));
        }
        co_return found;
      }} {}

asio::awaitable<std::shared_ptr<const User>> UserReader::find(UserId id) {
  return users_.find(id);
}

asio::awaitable<std::shared_ptr<const Bearer>> UserReader::find_bearer(std::string hash) {
  return bearers_.find(std::move(hash));
}

}  // namespace infernode
