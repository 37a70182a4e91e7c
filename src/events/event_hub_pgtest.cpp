// Goal: a user's events are numbered without holes, seen in order, and told by every hub. Method:
// many writers at once on a real database, some of whom roll back; hubs that hear of it, and one
// that must find out by itself.
#include "events/event_hub.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "events/event_dao.hpp"
#include "testing/test_database.hpp"

namespace infernode {
namespace {

constexpr db::Statement kAddDataset{"test.add_dataset", R"sql(
  INSERT INTO "Datasets" ("id", "user_id", "name") VALUES (gen_random_uuid(), $1, gen_random_uuid()::text)
)sql"};

class Events : public testing::Test {
protected:
  Events() {
    for (int i = 0; i < 3; ++i) {
      users_.push_back(UserId::parse(database_.value(fmt::format(
                                         R"(INSERT INTO "Users" ("id", "email", "password") VALUES
                               (gen_random_uuid(), 'e{}@example.com', 'x') RETURNING "id")",
                                         i)))
                           .value());
    }
  }

  // Forever, in the background of whatever runs.
  void start(EventHub& hub, bool hears) {
    const auto go_on = [](const std::exception_ptr&) {};
    asio::co_spawn(database_.context(), hub.follow(), go_on);
    if (hears) {
      asio::co_spawn(database_.context(), hub.announce(), go_on);
      asio::co_spawn(database_.context(),
                     db::listen(database_.conninfo(), {EventHub::kChannel},
                                [&hub](const db::Notification& told) { hub.hear(told); }),
                     go_on);
    }
  }

  std::vector<std::int64_t> logged(UserId user) {
    std::vector<std::int64_t> numbers;
    for (const auto& row : database_.sql("SELECT id FROM \"Events\" WHERE user_id = '" +
                                         user.to_string() + "' ORDER BY id")) {
      numbers.push_back(std::stoll(row[0]));
    }
    return numbers;
  }

  static std::vector<std::int64_t> up_to(std::int64_t last) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 1; i <= last; ++i) {
      numbers.push_back(i);
    }
    return numbers;
  }

  test::TestDatabase database_;
  std::vector<UserId> users_;
};

asio::awaitable<std::unique_ptr<Subscription>> subscribed(EventHub& hub, UserId user,
                                                          std::optional<std::int64_t> after) {
  auto subscription = co_await hub.subscribe(user, after);
  co_return std::move(subscription.value());
}

asio::awaitable<void> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer{co_await asio::this_coro::executor, time};
  co_await timer.async_wait(asio::use_awaitable);
}

TEST_F(Events, HaveNoHolesAndAreToldInOrder) {
  EventHub writing{database_.context().get_executor(), database_.conninfo()};
  EventHub listening{database_.context().get_executor(), database_.conninfo()};
  EventHub deaf{database_.context().get_executor(), database_.conninfo()};
  database_.pool().on_notices(EventHub::kNoticeState, [&](std::vector<std::string> users) {
    writing.logged(std::move(users));
  });
  start(writing, true);
  start(listening, true);
  start(deaf, false);
  constexpr int kWriters = 6;
  constexpr int kRounds = 40;
  int writers = 0;
  std::map<UserId, std::int64_t> committed;
  const auto write = [&](int number) -> asio::awaitable<void> {
    for (int round = 0; round < kRounds; ++round) {
      const auto user = users_[static_cast<std::size_t>(number + round) % users_.size()];
      auto transaction = co_await database_.pool().begin();
      co_await transaction.execute(kAddDataset, user);
      if ((number + round) % 4 != 0) {
        co_await transaction.commit();
        ++committed[user];
      }
    }
    --writers;
  };
  struct Heard {
    std::vector<std::int64_t> numbers;
    bool ended = false;
  };
  std::map<std::pair<EventHub*, UserId>, Heard> heard;
  const auto listen = [&](EventHub& hub, UserId user, Heard& to) -> asio::awaitable<void> {
    const auto subscription = co_await subscribed(hub, user, std::nullopt);
    EXPECT_EQ(subscription->place(), 0);
    // Until nothing has come for longer than a hub takes to find out by itself.
    for (;;) {
      const auto told = co_await subscription->next(std::chrono::seconds{5});
      if (told.empty()) {
        break;
      }
      for (const auto& each : told) {
        to.numbers.push_back(each.id.value());
      }
    }
    to.ended = true;
  };
  database_.run([&]() -> asio::awaitable<void> {
    const auto fail = [](const std::exception_ptr& error) { EXPECT_FALSE(error); };
    for (auto* hub : {&writing, &listening, &deaf}) {
      for (const auto user : users_) {
        asio::co_spawn(database_.context(), listen(*hub, user, heard[{hub, user}]), fail);
      }
    }
    co_await pause(std::chrono::milliseconds{300});
    for (int i = 0; i < kWriters; ++i) {
      ++writers;
      asio::co_spawn(database_.context(), write(i), fail);
    }
    const auto all_ended = [&] {
      return std::all_of(heard.begin(), heard.end(),
                         [](const auto& entry) { return entry.second.ended; });
    };
    while (writers > 0 || !all_ended()) {
      co_await pause(std::chrono::milliseconds{50});
    }
  });
  for (const auto user : users_) {
    ASSERT_GT(committed[user], 20);
    EXPECT_EQ(logged(user), up_to(committed[user]));
    for (auto* hub : {&writing, &listening, &deaf}) {
      EXPECT_EQ((heard[{hub, user}].numbers), up_to(committed[user]))
          << (hub == &writing     ? "writing"
              : hub == &listening ? "listening"
                                  : "deaf");
    }
  }
  writing.close();
}

// A page behind a page, out of the database.
TEST_F(Events, OfLongAgoAreReadAndThenTheNewOnes) {
  EventHub hub{database_.context().get_executor(), database_.conninfo()};
  start(hub, false);
  const auto id = users_[0].to_string();
  database_.sql("DO $$ BEGIN FOR i IN 1..900 LOOP PERFORM log_event('" + id +
                "', 'balance', '{}'); END LOOP; END $$");
  database_.run([&]() -> asio::awaitable<void> {
    const auto subscription = co_await subscribed(hub, users_[0], 3);
    std::vector<std::int64_t> numbers;
    while (numbers.size() < 897) {
      // No more at a time than a client reads.
      const auto page = co_await subscription->next(std::chrono::seconds{5});
      EXPECT_LE(page.size(), 200U);
      for (const auto& each : page) {
        numbers.push_back(each.id.value());
      }
    }
    auto expected = up_to(900);
    expected.erase(expected.begin(), expected.begin() + 3);
    EXPECT_EQ(numbers, expected);
    // What is swept is not told, and not passed over in silence either.
    database_.pass_time(std::chrono::hours{2});
    EXPECT_EQ(co_await hub.sweep(3600), 899);  // the newest one knows the number
    database_.sql("SELECT log_event('" + id + "', 'balance', '{}')");
    const auto next = co_await subscription->next(std::chrono::seconds{5});
    EXPECT_EQ(next.size(), 1U);
    EXPECT_EQ(next.at(0).id, 901);
    const auto late = co_await subscribed(hub, users_[0], 400);
    const auto told = co_await late->next(std::chrono::seconds{5});
    EXPECT_EQ(told.size(), 1U);
    EXPECT_EQ(told.at(0).text, R"({"type":"reset","id":901})");
    EXPECT_TRUE((co_await late->next(std::chrono::milliseconds{10})).empty());
  });
}

// Somebody follows the user already, and of the newest event nobody has told this hub yet.
TEST_F(Events, WhoComesToAHubThatIsBehindMissesNothing) {
  EventHub hub{database_.context().get_executor(), database_.conninfo()};
  const auto id = users_[0].to_string();
  const auto log_one = [&] { database_.sql("SELECT log_event('" + id + "', 'balance', '{}')"); };
  log_one();
  database_.run([&]() -> asio::awaitable<void> {
    const auto first = co_await subscribed(hub, users_[0], std::nullopt);
    EXPECT_EQ(first->place(), 1);
    log_one();
    const auto second = co_await subscribed(hub, users_[0], std::nullopt);
    EXPECT_EQ(second->place(), 2);
    second->resume_after(2);
    start(hub, false);
    log_one();
    std::vector<std::string> told;
    while (told.empty()) {
      for (const auto& each : co_await second->next(std::chrono::seconds{5})) {
        told.push_back(each.text);
      }
    }
    EXPECT_EQ(told, (std::vector<std::string>{R"({"id":3,"type":"balance","balance":{}})"}));
    std::vector<std::int64_t> numbers;
    while (numbers.size() < 2) {
      for (const auto& each : co_await first->next(std::chrono::seconds{5})) {
        numbers.push_back(each.id.value());
      }
    }
    EXPECT_EQ(numbers, (std::vector<std::int64_t>{2, 3}));
    second->resume_after(4);
    const auto reset = co_await second->next(std::chrono::seconds{5});
    EXPECT_EQ(reset.at(0).text, R"({"type":"reset","id":3})");
  });
}

TEST_F(Events, HaveABoundedNumberOfFollowers) {
  EventHub hub{database_.context().get_executor(), database_.conninfo()};
  database_.run([&]() -> asio::awaitable<void> {
    std::vector<std::unique_ptr<Subscription>> all;
    auto one_more = co_await hub.subscribe(users_[0], std::nullopt);
    while (one_more && all.size() < 1000) {
      all.push_back(std::move(*one_more));
      one_more = co_await hub.subscribe(users_[0], std::nullopt);
    }
    EXPECT_EQ(all.size(), 200U);
    EXPECT_EQ(one_more.error().code, ErrorCode::too_many_requests);
    const auto other = co_await hub.subscribe(users_[1], std::nullopt);
    EXPECT_TRUE(other.has_value());
    all.pop_back();
    const auto again = co_await hub.subscribe(users_[0], std::nullopt);
    EXPECT_TRUE(again.has_value());
  });
}

// They are not left to nobody, and have no new number that another could have.
TEST_F(Events, GoWithTheirUser) {
  database_.sql("SELECT log_event('" + users_[0].to_string() + "', 'balance', '{}')");
  database_.sql(R"(DELETE FROM "Users" WHERE id = ')" + users_[0].to_string() + "'");
  EXPECT_EQ(database_.value(R"(SELECT count(*) FROM "Events" WHERE user_id = ')" +
                            users_[0].to_string() + "'"),
            "0");
}

}  // namespace
}  // namespace infernode
