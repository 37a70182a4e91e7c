// Goal: each end of a job is told, at least once, until it is taken or a day has passed, whatever
// becomes of servers and receivers, and nobody waits for somebody else's receiver.
// Method: the services over a real database whose clock the test moves; a receiver in the test.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/digest.hpp"
#include "testing/services.hpp"
#include "webhooks/webhook_service.hpp"

namespace infernode::test {
namespace {

constexpr std::chrono::hours kDay{24};

TEST(WebhookSignature, IsTheHmacOfEachValidSecret) {
  // RFC 4231, test case 2.
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // echo -n '1700000000.{}' | openssl dgst -sha256 -hmac secret
  EXPECT_EQ(webhook_signature({"secret"}, 1'700'000'000, "{}"),
            "t=1700000000,v1=" + hex(hmac_sha256("secret", "1700000000.{}")));
  EXPECT_EQ(webhook_signature({"new", "old"}, 5, "x"),
            "t=5,v1=" + hex(hmac_sha256("new", "5.x")) + ",v1=" + hex(hmac_sha256("old", "5.x")));
}

TEST(WebhookDelay, GrowsToAnHour) {
  EXPECT_EQ(webhook_delay(1), 10);
  EXPECT_EQ(webhook_delay(2), 20);
  EXPECT_EQ(webhook_delay(9), 2560);
  EXPECT_EQ(webhook_delay(10), 3600);
  EXPECT_EQ(webhook_delay(1000), 3600);
}

class Webhooks : public testing::Test {
protected:
  // A job that has ended, with a webhook.
  MadeJob ended_job() { return end(services.make_job({.frame_count = 4})); }
  MadeJob end(const MadeJob& made) {
    services.database.sql(
        "UPDATE \"InferenceJobs\" SET webhook_url = 'https://example.com/' "
        "WHERE id = '" +
        made.job.to_string() + "'");
    services.database.run([&]() -> asio::awaitable<void> {
      EXPECT_TRUE(co_await services.jobs.abort(made.user, made.job));
    });
    return made;
  }

  WebhookService make_server() {
    return WebhookService{services.database.context().get_executor(), services.pool,
                          [](JobId job) -> asio::awaitable<std::optional<std::string>> {
                            co_return "{\"id\":\"" + job.to_string() + "\"}";
                          },
                          [this](WebhookCall call) -> asio::awaitable<Sent> {
                            calls.push_back(std::move(call));
                            auto answer = answer_of ? answer_of(calls.back()) : Sent{200, {}};
                            co_return answer;
                          }};
  }

  // Sends what is due now; returns how many attempts that were.
  int deliver(WebhookService& server) {
    int begun = 0;
    services.database.run([&]() -> asio::awaitable<void> {
      asio::steady_timer timer{co_await asio::this_coro::executor};
      for (int more = 1; more > 0;) {
        more = co_await server.begin_due();
        begun += more;
        while (server.under_way() > 0) {
          timer.expires_after(std::chrono::milliseconds{1});
          co_await timer.async_wait(asio::use_awaitable);
        }
      }
    });
    return begun;
  }

  std::vector<Delivery> list(WebhookService& server, UserId user) {
    std::vector<Delivery> all;
    services.database.run([&]() -> asio::awaitable<void> {
      all = co_await server.list(user, std::nullopt, std::nullopt, PageRequest{});
    });
    return all;
  }

  Services services;
  std::vector<WebhookCall> calls;
  std::function<Sent(const WebhookCall&)> answer_of;
};

TEST_F(Webhooks, TellEachEndOnce) {
  auto server = make_server();
  EXPECT_EQ(deliver(server), 0);
  const auto made = ended_job();
  EXPECT_EQ(deliver(server), 1);
  EXPECT_EQ(deliver(server), 0);
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].url, "https://example.com/");
  EXPECT_NE(calls[0].body.find(made.job.to_string()), std::string::npos);
  const auto all = list(server, made.user);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].status, DeliveryStatus::delivered);
  EXPECT_EQ(all[0].id, calls[0].id);
  EXPECT_EQ(all[0].answer, 200);
  EXPECT_TRUE(list(server, services.make_user()).empty());
  // A job that nobody wants to hear of is told to nobody.
  services.make_job({.frame_count = 4});
  services.work_everything_off();
  EXPECT_EQ(deliver(server), 0);
}

TEST_F(Webhooks, AreSentAgainForADay) {
  auto server = make_server();
  const auto made = ended_job();
  answer_of = [](const WebhookCall&) { return Sent{500, "answered 500"}; };
  int attempts = 0;
  std::chrono::seconds passed{0};
  for (int i = 0; i < 100 && list(server, made.user)[0].status == DeliveryStatus::pending; ++i) {
    EXPECT_EQ(deliver(server), 1);
    ++attempts;
    const std::chrono::seconds delay{webhook_delay(attempts)};
    services.database.pass_time(delay - std::chrono::seconds{1});
    EXPECT_EQ(deliver(server), 0);
    services.database.pass_time(std::chrono::seconds{1});
    passed += delay;
  }
  // 10 + 20 + ... + 2560 s, then each hour.
  EXPECT_EQ(attempts, 32);
  EXPECT_GE(passed, kDay);
  const auto failed = list(server, made.user)[0];
  EXPECT_EQ(failed.status, DeliveryStatus::failed);
  EXPECT_EQ(failed.error, "answered 500");
  EXPECT_EQ(deliver(server), 0);

  // Once more, by hand: of its owner, and nobody else.
  services.database.run([&]() -> asio::awaitable<void> {
    const auto stranger = services.make_user();
    EXPECT_FALSE(co_await server.resend(stranger, failed.id));
    EXPECT_TRUE(co_await server.resend(made.user, failed.id));
  });
  answer_of = nullptr;
  EXPECT_EQ(deliver(server), 1);
  EXPECT_EQ(list(server, made.user)[0].status, DeliveryStatus::delivered);
}

TEST_F(Webhooks, OfAServerThatDiedAreSentByAnother) {
  auto first = make_server();
  auto second = make_server();
  const auto made = ended_job();
  // The first hangs on to its call until after the second has sent it again.
  bool second_is_done = false;
  answer_of = [](const WebhookCall&) { return Sent{500, "answered 500"}; };
  auto slow =
      WebhookService{services.database.context().get_executor(), services.pool,
                     [](JobId) -> asio::awaitable<std::optional<std::string>> { co_return "{}"; },
                     [&](WebhookCall) -> asio::awaitable<Sent> {
                       asio::steady_timer timer{co_await asio::this_coro::executor};
                       while (!second_is_done) {
                         timer.expires_after(std::chrono::milliseconds{1});
                         co_await timer.async_wait(asio::use_awaitable);
                       }
                       Sent sent{std::nullopt, "too late"};
                       co_return sent;
                     }};
  services.database.run([&]() -> asio::awaitable<void> {
    EXPECT_EQ(co_await slow.begin_due(), 1);
    EXPECT_EQ(co_await second.begin_due(), 0);
  });
  services.database.pass_time(std::chrono::seconds{91});
  answer_of = nullptr;
  EXPECT_EQ(deliver(second), 1);
  second_is_done = true;
  services.database.run([&]() -> asio::awaitable<void> {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (slow.under_way() > 0) {
      timer.expires_after(std::chrono::milliseconds{1});
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_EQ(list(second, made.user)[0].status, DeliveryStatus::delivered);
  EXPECT_EQ(deliver(first), 0);
}

TEST_F(Webhooks, OfOneUserDoNotHoldUpAnothers) {
  auto server = make_server();
  ended_job();
  // As many of one user's as would be a server's work for a while.
  services.database.sql(
      "INSERT INTO \"InferenceJobs\" (dataset_id, user_id, video_id, params, images, "
      "segments_left, price, cost, webhook_url) SELECT dataset_id, user_id, video_id, params, "
      "images, 0, price, cost, webhook_url FROM \"InferenceJobs\", generate_series(1, 200)");
  services.database.sql(
      "UPDATE \"InferenceJobs\" SET status = 'ABORTED', finished_at = now() "
      "WHERE finished_at IS NULL");
  const auto few = ended_job();
  services.database.run([&]() -> asio::awaitable<void> {
    EXPECT_EQ(co_await server.begin_due(), 5);  // four of the one's, and the other's
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (server.under_way() > 0) {
      timer.expires_after(std::chrono::milliseconds{1});
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_EQ(list(server, few.user)[0].status, DeliveryStatus::delivered);
  EXPECT_EQ(deliver(server), 201 - 4);
  EXPECT_EQ(calls.size(), 202U);
}

TEST_F(Webhooks, AreSignedWithASecretThatIsShownOnce) {
  auto server = make_server();
  const auto made = ended_job();
  EXPECT_EQ(deliver(server), 1);
  services.database.run([&]() -> asio::awaitable<void> {
    const auto hidden = co_await server.show_secret(made.user, false);
    EXPECT_FALSE(hidden.secret.has_value());
    const auto first = co_await server.show_secret(made.user, true);
    EXPECT_TRUE(first.secret.has_value());
    const auto again = co_await server.show_secret(made.user, true);
    EXPECT_FALSE(again.secret.has_value());
    EXPECT_EQ(again.created_at, first.created_at);
    const auto signature_of = [](const WebhookCall& call, const std::string& secret) {
      const auto seconds = call.signature.substr(2, call.signature.find(',') - 2);
      return "v1=" + hex(hmac_sha256(secret, seconds + "." + call.body));
    };
    EXPECT_TRUE(calls[0].signature.ends_with(signature_of(calls[0], *first.secret)));
    std::optional<std::string> second;
    {
      auto transaction = co_await services.pool.begin();
      auto replaced = co_await server.replace_secret(transaction, made.user);
      second = replaced.secret;
      EXPECT_TRUE(replaced.former_until.has_value());
      co_await transaction.commit();
    }
    EXPECT_TRUE(co_await server.resend(made.user, calls[0].id));
    EXPECT_EQ(co_await server.begin_due(), 1);
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (server.under_way() > 0) {
      timer.expires_after(std::chrono::milliseconds{1});
      co_await timer.async_wait(asio::use_awaitable);
    }
    EXPECT_NE(calls[1].signature.find(signature_of(calls[1], *second)), std::string::npos);
    EXPECT_NE(calls[1].signature.find(signature_of(calls[1], *first.secret)), std::string::npos);
    EXPECT_EQ(calls[1].id, calls[0].id);
  });
  services.database.pass_time(kDay);
  services.database.run([&]() -> asio::awaitable<void> {
    const auto state = co_await server.show_secret(made.user, true);
    EXPECT_FALSE(state.former_until.has_value());
  });
}

TEST_F(Webhooks, GoWithTheirJob) {
  auto server = make_server();
  const auto made = ended_job();
  services.database.run([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await services.jobs.remove(made.user, made.job));
  });
  EXPECT_EQ(deliver(server), 0);
  EXPECT_TRUE(list(server, made.user).empty());
}

}  // namespace
}  // namespace infernode::test
