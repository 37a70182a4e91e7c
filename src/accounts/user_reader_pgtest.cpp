// Goal: users that many requests ask for at once are read together, each as it is after it was
// asked for. Method: finds that start together on a real pool, whose round trips are counted.
#include "accounts/user_reader.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "testing/test_database.hpp"

namespace infernode::test {
namespace {

class ReadingUsers : public testing::Test {
protected:
  UserId add(int number) {
    return UserId::parse(database_.value("INSERT INTO \"Users\" (email, password) VALUES ('" +
                                         std::to_string(number) +
                                         "@example.com', 'x') RETURNING id"))
        .value();
  }

  TestDatabase database_;
};

TEST_F(ReadingUsers, AsksOnceForMany) {
  std::vector<UserId> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(add(i));
  }
  const auto stranger = UserId::random();
  UserReader reader{database_.pool()};
  int right = 0;
  database_.run([&]() -> asio::awaitable<void> {
    co_await reader.find(ids[0]);
    const auto before = database_.pool().round_trips();
    const auto executor = co_await asio::this_coro::executor;
    int waiting = 100;
    for (int i = 0; i < 100; ++i) {
      auto one = [](UserReader& from, UserId id, bool known) -> asio::awaitable<bool> {
        const auto user = co_await from.find(id);
        co_return known ? user && user->id == id : !user;
      };
      const bool known = i % 10 != 0;
      asio::co_spawn(executor,
                     one(reader, known ? ids[static_cast<std::size_t>(i % 5)] : stranger, known),
                     [&](const std::exception_ptr& error, bool as_expected) {
                       right += !error && as_expected ? 1 : 0;
                       --waiting;
                     });
    }
    asio::steady_timer timer{executor};
    while (waiting > 0) {
      timer.expires_after(std::chrono::milliseconds{1});
      co_await timer.async_wait(asio::use_awaitable);
    }
    EXPECT_LE(database_.pool().round_trips() - before, 2);
  });
  EXPECT_EQ(right, 100);
}

TEST_F(ReadingUsers, TellsAllWhenTheDatabaseIsGone) {
  const auto id = add(1);
  UserReader reader{database_.pool()};
  database_.run([&]() -> asio::awaitable<void> {
    database_.pool().suspend("paused");
    for (int i = 0; i < 2; ++i) {
      bool told = false;
      try {
        co_await reader.find(id);
      } catch (const Unavailable&) {
        told = true;
      }
      EXPECT_TRUE(told);
    }
    database_.pool().resume();
    const auto user = co_await reader.find(id);
    EXPECT_TRUE(user);
  });
}

}  // namespace
}  // namespace infernode::test
