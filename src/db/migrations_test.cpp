// Goal: a binary knows whether a schema that it did not make is one it works with, and nobody marks
// a migration as compatible that takes something away. Method: the marks of made-up migrations, and
// every migration that is shipped.
#include <gtest/gtest.h>

#include <regex>

#include "db/migrations.hpp"

namespace infernode::db {
namespace {

constexpr const char* kSections = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n";

std::string since(const std::string& lines) {
  return parse_migration("20260102000000-a.sql", lines + kSections).compatible_since;
}

TEST(CompatibleSince, IsALineAboveTheSections) {
  EXPECT_EQ(since(""), "");
  EXPECT_EQ(since("-- Why.\n-- compatible-since: 20260101000000\n"), "20260101000000");
  EXPECT_EQ(since("-- compatible-since: 20260101000000\n-- Why.\n"), "20260101000000");
  for (const char* wrong :
       {"-- compatible-since: \n", "-- compatible-since: always\n",
        "-- compatible-since: 20260102000000\n", "-- compatible-since: 20260103000000\n"}) {
    EXPECT_THROW(since(wrong), MigrationError) << wrong;
  }
  // Anywhere else it would say nothing, unseen.
  EXPECT_THROW(parse_migration("20260102000000-a.sql",
                               "-- migrate:up\n-- compatible-since: 20260101000000\nSELECT 1;\n"
                               "-- migrate:down\nSELECT 2;\n"),
               MigrationError);
  // Lines keep their numbers.
  const auto migration = parse_migration(
      "20260102000000-a.sql", std::string{"-- compatible-since: 20260101000000\n"} + kSections);
  EXPECT_TRUE(migration.up.starts_with("\n-- migrate:up\n")) << migration.up;
}

// What takes away, renames or forbids something that older binaries may use or do.
bool contracts(std::string sql) {
  for (const char* ignored : {"--[^\n]*", "\\([^()]*\\)"}) {  // comments; NUMERIC(18, 3)
    sql = std::regex_replace(sql, std::regex{ignored}, "");
  }
  static const std::regex kContracting{
      "\\bDROP\\b|\\bRENAME\\b|SET\\s+NOT\\s+NULL|"
      "ALTER\\s+COLUMN\\s+\\S+\\s+(SET\\s+DATA\\s+)?TYPE|ADD\\s+(CONSTRAINT|CHECK|UNIQUE|FOREIGN)|"
      "UNIQUE\\s+INDEX|CREATE\\s+(OR\\s+REPLACE\\s+)?TRIGGER",
      std::regex::icase};
  static const std::regex kColumn{"ADD\\s+COLUMN\\s[^,;]*", std::regex::icase};
  static const std::regex kNotNull{"NOT\\s+NULL", std::regex::icase};
  static const std::regex kDefault{"\\bDEFAULT\\b", std::regex::icase};
  bool required = false;
  for (std::sregex_iterator column{sql.begin(), sql.end(), kColumn};
       column != std::sregex_iterator{}; ++column) {
    const std::string text = column->str();
    required =
        required || (std::regex_search(text, kNotNull) && !std::regex_search(text, kDefault));
  }
  return required || std::regex_search(sql, kContracting);
}

TEST(CompatibleSince, KnowsWhatContracts) {
  for (const char* sql :
       {"ALTER TABLE a DROP COLUMN b;", "drop table a", "ALTER TABLE a RENAME COLUMN b TO c",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL", "ALTER TABLE a ALTER COLUMN b TYPE BIGINT",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)", "CREATE UNIQUE INDEX a_b ON a (b)",
        "ALTER TABLE a ADD COLUMN b INTEGER NOT NULL", "ALTER TABLE a DROP b", "DROP INDEX a_b",
        "ALTER TABLE a ADD COLUMN b NUMERIC(18, 3) NOT NULL, ADD COLUMN c INTEGER DEFAULT 1"}) {
    EXPECT_TRUE(contracts(sql)) << sql;
  }
  for (const char* sql :
       {"CREATE TABLE a (b INTEGER NOT NULL, UNIQUE (b))", "ALTER TABLE a ADD COLUMN b INTEGER",
        "ALTER TABLE a ADD COLUMN b INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE a ADD COLUMN b INTEGER DEFAULT 0 NOT NULL", "CREATE INDEX a_b ON a (b)",
        "-- DROP TABLE a;\nSELECT 1", "ALTER TABLE a SET UNLOGGED"}) {
    EXPECT_FALSE(contracts(sql)) << sql;
  }
}

// The rule of CONTRIBUTING: what only adds may be compatible with any older version; what takes
// away, with the one right before it at most, which no longer uses it.
TEST(CompatibleSince, IsSaidOfNoMigrationThatTakesSomethingAwayFromOldBinaries) {
  const auto migrations = embedded_migrations("db/migrations");
  int marked = 0;
  for (std::size_t i = 1; i < migrations.size(); ++i) {
    const auto& migration = migrations[i];
    if (migration.compatible_since.empty()) {
      continue;
    }
    ++marked;
    const bool known = std::any_of(
        migrations.begin(), migrations.begin() + static_cast<std::ptrdiff_t>(i),
        [&](const Migration& earlier) { return earlier.version == migration.compatible_since; });
    EXPECT_TRUE(known) << migration.name << ": there is no migration "
                       << migration.compatible_since;
    if (contracts(migration.up)) {
      EXPECT_EQ(migration.compatible_since, migrations[i - 1].version) << migration.name;
    }
  }
  EXPECT_GT(marked, 0);
}

}  // namespace
}  // namespace infernode::db
