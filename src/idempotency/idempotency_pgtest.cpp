// Goal: with a key, a request acts once and is always answered alike, whatever happens at once.
// Method: the real service; duplicates in one process and in two.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "idempotency/idempotency_service.hpp"
#include "testing/test_database.hpp"

namespace infernode::test {
namespace {

constexpr db::Statement kAdd{"test.add_effect", "INSERT INTO effects VALUES ($1)"};

class Once : public testing::Test {
protected:
  Once() {
    database_.sql("CREATE TABLE effects (n INTEGER)");
    user_ = UserId::parse(database_.value("INSERT INTO \"Users\" (email, password) VALUES "
                                          "('once@example.com', 'x') RETURNING id"))
                .value();
  }
  IdempotencyService::Effect effect(int number) {
    return [this, number](db::Transaction& transaction) -> asio::awaitable<Result<Answer>> {
      ++runs_;
      co_await transaction.execute(kAdd, number);
      co_return Answer{201, std::to_string(number)};
    };
  }
  Result<Answer> act(IdempotencyService& service, const IdempotencyKey& key, int number) {
    Result<Answer> answer = Error{ErrorCode::malformed, ""};
    database_.run([&]() -> asio::awaitable<void> {
      answer = co_await service.act(user_, key, effect(number));
    });
    return answer;
  }
  std::string effects() { return database_.value("SELECT count(*) FROM effects"); }

  TestDatabase database_;
  IdempotencyService service_{database_.pool()};
  IdempotencyService other_process_{database_.pool()};
  UserId user_;
  int runs_ = 0;
};

TEST_F(Once, TheFirstAnswerComesBack) {
  const IdempotencyKey key{"k", {}};
  EXPECT_EQ(act(service_, key, 1)->body, "1");
  EXPECT_EQ(act(service_, key, 2)->body, "1");
  EXPECT_EQ(act(other_process_, key, 3)->body, "1");
  EXPECT_EQ(effects(), "1");
}

TEST_F(Once, AnotherRequestWithTheKeyIsRefused) {
  IdempotencyKey key{"k", {}};
  EXPECT_TRUE(act(service_, key, 1));
  key.request[0] = std::byte{1};
  EXPECT_EQ(act(service_, key, 2).error().code, ErrorCode::invalid);
  EXPECT_EQ(effects(), "1");
}

TEST_F(Once, AnErrorLeavesNothingAndTheKeyFree) {
  const IdempotencyKey key{"k", {}};
  database_.run([&]() -> asio::awaitable<void> {
    IdempotencyService::Effect failing =
        [](db::Transaction& transaction) -> asio::awaitable<Result<Answer>> {
      co_await transaction.execute(kAdd, 9);
      co_return Error{ErrorCode::conflict, "no"};
    };
    const auto answer = co_await service_.act(user_, key, std::move(failing));
    EXPECT_EQ(answer.error().code, ErrorCode::conflict);
  });
  EXPECT_EQ(effects(), "0");
  EXPECT_EQ(act(service_, key, 1)->body, "1");
}

TEST_F(Once, ExpiredKeysAreFree) {
  const IdempotencyKey key{"k", {}};
  EXPECT_TRUE(act(service_, key, 1));
  database_.pass_time(std::chrono::hours{25});
  EXPECT_EQ(act(service_, key, 2)->body, "2");
  EXPECT_EQ(effects(), "2");
}

// Duplicates at once, through two servers.
TEST_F(Once, DuplicatesAtOnceActOnce) {
  const IdempotencyKey key{"k", {}};
  int done = 0;
  const auto ask = [&](IdempotencyService& service, int number) -> asio::awaitable<void> {
    const auto answer = co_await service.act(user_, key, effect(number));
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer->body, database_.value("SELECT n FROM effects"));
    ++done;
  };
  for (int i = 0; i < 12; ++i) {
    asio::co_spawn(database_.context(), ask(i % 2 == 0 ? service_ : other_process_, i),
                   [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  }
  database_.run([&]() -> asio::awaitable<void> {
    while (done < 12) {
      asio::steady_timer timer{database_.context(), std::chrono::milliseconds{2}};
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_EQ(effects(), "1");
}

}  // namespace
}  // namespace infernode::test
