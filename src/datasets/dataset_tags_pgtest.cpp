// Goal: nobody fills the installation's table of tags (B4), and no tag that is borne goes.
// Method: the service on a database of its own.
#include <gtest/gtest.h>

#include "testing/services.hpp"

namespace infernode {
namespace {

using asio::awaitable;

class TagsOfUsers : public testing::Test {
protected:
  Result<Dataset> create(UserId user, const std::string& name, std::vector<std::string> tags) {
    std::optional<Result<Dataset>> made;
    services_.database.run([&]() -> awaitable<void> {
      auto transaction = co_await services_.pool.begin();
      made = co_await services_.datasets.create(transaction, user, name, std::move(tags));
      if (*made) {
        co_await transaction.commit();
      }
    });
    return std::move(*made);
  }
  Result<Dataset> retag(UserId user, DatasetId id, std::vector<std::string> tags) {
    std::optional<Result<Dataset>> changed;
    services_.database.run([&]() -> awaitable<void> {
      changed =
          co_await services_.datasets.update(user, id, std::nullopt, std::move(tags), std::nullopt);
    });
    return std::move(*changed);
  }
  std::string count(const std::string& where) {
    return services_.database.value("SELECT count(*) FROM \"Tags\" WHERE " + where);
  }

  test::Services services_;
};

TEST_F(TagsOfUsers, AreAThousandAtMost) {
  const auto user = services_.make_user();
  services_.database.sql(
      R"(INSERT INTO "Tags" ("name") SELECT 'tag ' || n FROM generate_series(1, 1000) AS n;
         INSERT INTO "Datasets" ("user_id", "name", "tags")
         SELECT ')" +
      user.to_string() +
      R"(', 'set ' || n, ARRAY(SELECT 'tag ' || 50 * n + m FROM generate_series(1, 50) AS m)
           FROM generate_series(0, 19) AS n)");
  const auto refused = create(user, "one more", {"new"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_EQ(refused.error().fields.at(0).pointer, "/tags");
  EXPECT_EQ(count("\"name\" = 'new'"), "0");
  const auto made = create(user, "one more", {"tag 7"});
  ASSERT_TRUE(made);
  EXPECT_FALSE(retag(user, made->id, {"new"}));
  EXPECT_EQ(count("\"name\" = 'new'"), "0");
  EXPECT_TRUE(retag(user, made->id, {}));
  const auto other = services_.make_user();
  EXPECT_TRUE(create(other, "theirs", {"new"}));
  // What somebody brought along anybody may bear.
  EXPECT_TRUE(retag(user, made->id, {"new"}));
}

TEST_F(TagsOfUsers, AreForgottenOnceNobodyBearsThem) {
  const auto user = services_.make_user();
  services_.database.sql(
      R"(INSERT INTO "Tags" ("name", "shared") VALUES ('lost', false), ('ours', true))");
  ASSERT_TRUE(create(user, "set", {"borne"}));
  const auto sweep = [&] {
    std::int64_t removed = 0;
    services_.database.run(
        [&]() -> awaitable<void> { removed = co_await services_.datasets.sweep_tags(); });
    return removed;
  };
  EXPECT_EQ(count("\"name\" IN ('lost', 'ours', 'borne')"), "3");
  EXPECT_GE(sweep(), 1);
  EXPECT_EQ(count("\"name\" = 'lost'"), "0");
  EXPECT_EQ(count("\"name\" IN ('ours', 'borne')"), "2");
}

}  // namespace
}  // namespace infernode
