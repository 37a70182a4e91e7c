// Goal: the client says what really happened, hands connections out in order, and waits for nobody
// who does not answer.
// Method: a real server; statements that fail in the middle of a pipeline; a server that is cut
// off.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <optional>
#include <vector>

#include "db/listener.hpp"
#include "db/pulse.hpp"
#include "testing/test_database.hpp"

namespace infernode::db {
namespace {

using test::TestDatabase;

constexpr Statement kOne{"test.one", "SELECT 1 AS one"};
constexpr Statement kAdd{"test.add", "INSERT INTO numbers VALUES ($1)"};
constexpr Statement kCount{"test.count", "SELECT count(*) AS count FROM numbers"};
constexpr Statement kSleep{"test.sleep", "SELECT pg_sleep($1)"};

class Client : public testing::Test {
protected:
  Client() { database_.sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"); }
  int count() { return std::stoi(database_.value("SELECT count(*) FROM numbers")); }

  TestDatabase database_{2};
};

TEST_F(Client, SendsStatementsThatDoNotWaitTogether) {
  const auto trips = test::count_round_trips(database_, [&]() -> asio::awaitable<void> {
    auto transaction = co_await database_.pool().begin();
    for (int n = 0; n < 20; ++n) {
      transaction.queue(kAdd, n);
    }
    const auto rows = co_await transaction.execute(kCount);
    EXPECT_EQ(rows.one().get<int>("count"), 20);
    transaction.queue(kAdd, 100);
    co_await transaction.commit();
  });
  EXPECT_EQ(trips, 2);
  EXPECT_EQ(count(), 21);
}

// The first error is the one that is thrown, nothing of the transaction stays, and the connection
// is good for the next.
TEST_F(Client, AnErrorInTheMiddleOfAPipelineUndoesAll) {
  for (int round = 0; round < 3; ++round) {
    database_.run([&]() -> asio::awaitable<void> {
      auto transaction = co_await database_.pool().begin();
      transaction.queue(kAdd, 1);
      transaction.queue(kAdd, 1);
      transaction.queue(kAdd, 2);
      bool refused = false;
      try {
        co_await transaction.execute(kCount);
      } catch (const SqlError& error) {
        refused = error.is_unique_violation();
        EXPECT_EQ(error.constraint(), "numbers_pkey");
      }
      EXPECT_TRUE(refused);
    });
    database_.run([&]() -> asio::awaitable<void> {
      const auto rows = co_await database_.pool().execute(kOne);
      EXPECT_EQ(rows.one().get<int>("one"), 1);
    });
  }
  EXPECT_EQ(count(), 0);
}

// Outside a transaction, too, commands that go out together happen together or not at all.
TEST_F(Client, CommandsOfOneBatchAreOne) {
  database_.run([&]() -> asio::awaitable<void> {
    std::vector<Command> commands;
    commands.push_back(command(kAdd, 1));
    commands.push_back(command(kAdd, 1));
    bool refused = false;
    try {
      co_await database_.pool().execute_all(std::move(commands));
    } catch (const SqlError&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  });
  EXPECT_EQ(count(), 0);
}

// A command outside a transaction that fails only as it is committed has failed, and so has the
// one beside it; the connection is good for the next.
TEST_F(Client, WhatFailsWhenItIsCommittedHasFailed) {
  database_.sql(R"sql(
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.n > 9 THEN
        RAISE EXCEPTION 'too large' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON numbers DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse())sql");
  database_.run([&]() -> asio::awaitable<void> {
    const auto connection =
        co_await Connection::open(database_.context().get_executor(), database_.conninfo());
    for (const auto& [one, other] : {std::pair{10, 2}, std::pair{1, 10}}) {
      std::vector<Command> commands;
      commands.push_back(command(kAdd, one));
      commands.push_back(command(kAdd, other));
      std::string state;
      try {
        co_await connection->execute_all(std::move(commands));
      } catch (const SqlError& error) {
        state = error.sqlstate();
      }
      EXPECT_EQ(state, "23514");
      EXPECT_TRUE(connection->usable());
      EXPECT_FALSE(connection->in_transaction());
      std::vector<Command> next;
      next.push_back(command(kCount));
      const auto rows = co_await connection->execute_all(std::move(next));
      EXPECT_EQ(rows.at(0).one().get<int>("count"), 0);
    }
  });
}

// PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and calls that success (E7).
TEST_F(Client, ACommitThatBecameARollbackIsAnError) {
  database_.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await database_.pool().begin();
    co_await transaction.execute(kAdd, 1);
    try {
      co_await transaction.execute(kAdd, 1);
    } catch (const SqlError&) {
      // Somebody swallows it, and goes on.
    }
    bool refused = false;
    try {
      co_await transaction.commit();
    } catch (const SqlError&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  });
  EXPECT_EQ(count(), 0);
}

TEST_F(Client, AnUncommittedTransactionIsRolledBack) {
  database_.run([&]() -> asio::awaitable<void> {
    {
      auto transaction = co_await database_.pool().begin();
      co_await transaction.execute(kAdd, 1);
    }
    auto next = co_await database_.pool().begin();
    const auto rows = co_await next.execute(kCount);
    EXPECT_EQ(rows.one().get<int>("count"), 0);
  });
}

TEST_F(Client, AQueuedCheckThatThrowsKeepsTheCommitAway) {
  database_.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await database_.pool().begin();
    transaction.queue(command(kAdd, 1), [](const Rows&) { throw std::runtime_error("no"); });
    bool thrown = false;
    try {
      co_await transaction.commit();
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
  EXPECT_EQ(count(), 0);
}

TEST_F(Client, ConnectionsAreHandedOutInOrder) {
  std::vector<int> order;
  const auto borrow = [&](int number) -> asio::awaitable<void> {
    const auto connection = co_await database_.pool().acquire();
    order.push_back(number);
    co_await connection->execute(kSleep, 0.01);
  };
  for (int number = 0; number < 12; ++number) {
    asio::co_spawn(database_.context(), borrow(number),
                   [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  }
  database_.run([&]() -> asio::awaitable<void> {
    while (order.size() < 12) {
      asio::steady_timer timer{database_.context(), std::chrono::milliseconds{2}};
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  // The first two open their connections, which may take either as long as it takes.
  std::erase_if(order, [](int number) { return number < 2; });
  EXPECT_EQ(order.size(), 10U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

// What only asks does not stand in line behind transactions that wait for a lock, and of those one
// goes on when another is over.
TEST(Pool, KeepsAThirdFromTransactions) {
  TestDatabase database{3};
  database.run([&]() -> asio::awaitable<void> {
    std::optional<Transaction> first = co_await database.pool().begin();
    auto second = co_await database.pool().begin();
    bool begun = false;
    const auto third = [&]() -> asio::awaitable<void> {
      auto transaction = co_await database.pool().begin();
      begun = true;
      co_await transaction.execute(kOne);
      co_await transaction.commit();
    };
    asio::co_spawn(database.context(), third(),
                   [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
    for (int i = 0; i < 3; ++i) {
      co_await database.pool().execute(kOne);
    }
    EXPECT_FALSE(begun);
    EXPECT_EQ(database.pool().use().waiting, 1);
    first.reset();
    for (int i = 0; i < 100 && !begun; ++i) {
      co_await database.pool().execute(kOne);
    }
    EXPECT_TRUE(begun);
    co_await second.execute(kOne);
  });
}

TEST_F(Client, AStatementHasATimeInWhichToBeAnswered) {
  database_.run([&]() -> asio::awaitable<void> {
    const auto connection = co_await database_.pool().acquire();
    connection->set_answer_limit(std::chrono::milliseconds{100});
    bool lost = false;
    try {
      co_await connection->execute(kSleep, 30);
    } catch (const ConnectionLost&) {
      lost = true;
    }
    EXPECT_TRUE(lost);
    EXPECT_FALSE(connection->check());
  });
}

TEST_F(Client, ASuspendedPoolAnswersAtOnceAndEndsWhatIsUnderWay) {
  bool ended = false;
  const auto wait = [&]() -> asio::awaitable<void> {
    try {
      co_await database_.pool().execute(kSleep, 30);
    } catch (const ConnectionLost&) {
      ended = true;
    }
  };
  asio::co_spawn(database_.context(), wait(), [](const std::exception_ptr&) {});
  database_.run([&]() -> asio::awaitable<void> {
    asio::steady_timer timer{database_.context(), std::chrono::milliseconds{100}};
    co_await timer.async_wait(asio::use_awaitable);
    database_.pool().suspend("paused");
    bool refused = false;
    try {
      co_await database_.pool().execute(kOne);
    } catch (const Unavailable& error) {
      refused = std::string{error.what()} == "paused";
    }
    EXPECT_TRUE(refused);
    while (!ended) {
      timer.expires_after(std::chrono::milliseconds{2});
      co_await timer.async_wait(asio::use_awaitable);
    }
    database_.pool().resume();
    const auto rows = co_await database_.pool().execute(kOne);
    EXPECT_EQ(rows.one().get<int>("one"), 1);
  });
}

// Cut connections are made again, by the pool and by its pulse, and suspend nothing.
TEST_F(Client, CutConnectionsAreMadeAgain) {
  asio::co_spawn(database_.context(), watch_pulse(database_.conninfo(), {&database_.pool()}),
                 [](const std::exception_ptr&) {});
  database_.run([&]() -> asio::awaitable<void> {
    asio::steady_timer timer{database_.context()};
    for (int i = 0; i < 4; ++i) {
      co_await database_.pool().execute(kOne);
      database_.sql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
          "WHERE datname = current_database() AND pid <> pg_backend_pid()");
      timer.expires_after(std::chrono::milliseconds{400});
      co_await timer.async_wait(asio::use_awaitable);
    }
    const auto rows = co_await database_.pool().execute(kOne);
    EXPECT_EQ(rows.one().get<int>("one"), 1);
  });
}

TEST_F(Client, HostNamesAreResolved) {
  bool refused = false;
  database_.run([&]() -> asio::awaitable<void> {
    try {
      co_await Connection::open(database_.context().get_executor(),
                                "host=no-such-host.invalid user=x dbname=x");
    } catch (const ConnectionLost& error) {
      refused = std::string{error.what()}.find("no-such-host.invalid") != std::string::npos;
    }
  });
  EXPECT_TRUE(refused);
}

// NOTIFY reaches whoever listens, also after the listener's connection was cut.
TEST_F(Client, NotificationsArrive) {
  std::vector<std::string> heard;
  const auto handle = [&](const Notification& notification) {
    heard.push_back(notification.channel + ":" + notification.payload);
  };
  asio::co_spawn(database_.context(), listen(database_.conninfo(), {"news"}, handle),
                 [](const std::exception_ptr&) {});
  const auto wait_for = [&](std::size_t count) -> asio::awaitable<void> {
    asio::steady_timer timer{database_.context()};
    for (int i = 0; i < 1000 && heard.size() < count; ++i) {
      timer.expires_after(std::chrono::milliseconds{5});
      co_await timer.async_wait(asio::use_awaitable);
    }
  };
  database_.run([&]() -> asio::awaitable<void> {
    co_await wait_for(1);  // it listens from now on
    database_.sql("NOTIFY news, 'a'");
    co_await wait_for(2);
    database_.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    co_await wait_for(3);
    database_.sql("NOTIFY news, 'b'");
    co_await wait_for(4);
  });
  EXPECT_EQ(heard, (std::vector<std::string>{":", "news:a", ":", "news:b"}));
}

}  // namespace
}  // namespace infernode::db
