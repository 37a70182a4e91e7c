// Goal: the database is what the data model says, line by line; migrations and seeders do what the
// best tools do; the database itself keeps jobs, ledger and relations sound.
// Method: a real cluster. The data model is a table below, compared with pg_catalog; everything
// else is tried with real rows and the real commands.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <thread>

#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class Schema : public testing::Test {
protected:
  static void SetUpTestSuite() { server_ = std::make_unique<TestServer>(); }
  static void TearDownTestSuite() { server_.reset(); }

  static void expect_refused(const std::string& statement) {
    EXPECT_THROW(server_->sql(statement), std::runtime_error) << statement;
  }

  static std::unique_ptr<TestServer> server_;
};
std::unique_ptr<TestServer> Schema::server_;

// Where the data model contradicts itself; docs/database.md has the same four.
constexpr const char* kIdDecision =
    "decision 1: UUID columns refer to Users.id, so it is no STRING";
constexpr const char* kTokensDecision = "decision 2: a frame costs 0.001, so tokens are no INTEGER";
constexpr const char* kBlobDecision =
    "decision 3: BYTEA ends at 1 GiB, so a BLOB is a row of Blobs";

struct Column {
  const char* table;
  const char* name;
  const char* type;
  bool required;
  const char* fallback;  // the default, as the catalogue writes it
  const char* decision = "";
};

// The data model's tables, line by line. Sequelize's STRING is VARCHAR(255), its DATE TIMESTAMPTZ.
const std::vector<Column> kColumns{
    {"Users", "id", "uuid", true, "gen_random_uuid()", kIdDecision},
    {"Users", "email", "character varying(255)", true, ""},
    {"Users", "password", "character varying(255)", true, ""},
    {"Users", "role", "\"enum_Users_role\"", true, "'user'::\"enum_Users_role\""},
    {"Users", "tokens", "numeric(18,3)", true, "100", kTokensDecision},
    {"Users", "createdAt", "timestamp with time zone", true, "now()"},
    {"Users", "updatedAt", "timestamp with time zone", true, "now()"},
    {"Tags", "id", "uuid", true, "gen_random_uuid()"},
    {"Tags", "name", "character varying(255)", true, ""},
    {"Tags", "createdAt", "timestamp with time zone", true, "now()"},
    {"Tags", "updatedAt", "timestamp with time zone", true, "now()"},
    {"Datasets", "id", "uuid", true, "gen_random_uuid()"},
    {"Datasets", "user_id", "uuid", true, ""},
    {"Datasets", "name", "character varying(255)", true, ""},
    {"Datasets", "tags", "character varying(255)[]", true, "'{}'::character varying[]"},
    {"Datasets", "deleted_at", "timestamp with time zone", false, ""},
    {"Datasets", "created_at", "timestamp with time zone", true, "now()"},
    {"Datasets", "updatedAt", "timestamp with time zone", true, "now()"},
    {"Videos", "id", "uuid", true, "gen_random_uuid()"},
    {"Videos", "dataset_id", "uuid", true, ""},
    {"Videos", "file", "uuid", true, "", kBlobDecision},
    {"Videos", "name", "character varying(255)", true, ""},
    {"Videos", "frame_count", "integer", true, ""},
    {"Videos", "created_at", "timestamp with time zone", true, "now()"},
    {"Videos", "updatedAt", "timestamp with time zone", true, "now()"},
    {"InferenceJobs", "id", "uuid", true, "gen_random_uuid()"},
    {"InferenceJobs", "dataset_id", "uuid", true, ""},
    {"InferenceJobs", "user_id", "uuid", true, ""},
    {"InferenceJobs", "video_id", "uuid", true, ""},
    {"InferenceJobs", "status", "\"enum_InferenceJobs_status\"", true,
     "'PENDING'::\"enum_InferenceJobs_status\""},
    {"InferenceJobs", "params", "json", true, ""},
    {"InferenceJobs", "carbon_footprint", "integer", true, "0",
     "decision 4: whole grams, as documented; energy_joules and carbon_grams beside it are exact"},
    {"InferenceJobs", "created_at", "timestamp with time zone", true, "now()"},
    {"InferenceJobs", "updated_at", "timestamp with time zone", true, "now()"},
    {"Results", "id", "uuid", true, "gen_random_uuid()"},
    {"Results", "inferenceJob_id", "uuid", true, ""},
    {"Results", "json_res", "json", true, ""},
    {"Results", "image_zip", "uuid", false, "", kBlobDecision},
    {"Results", "created_at", "timestamp with time zone", true, "now()"},
    {"Results", "updatedAt", "timestamp with time zone", true, "now()"},
};

TEST_F(Schema, HasEveryColumnOfTheDataModel) {
  for (const auto& column : kColumns) {
    SCOPED_TRACE(std::string{column.table} + "." + column.name + " " + column.decision);
    const auto rows = server_->sql(
        std::string{"SELECT format_type(a.atttypid, a.atttypmod), a.attnotnull, "
                    "coalesce(pg_get_expr(d.adbin, d.adrelid), '') FROM pg_attribute AS a "
                    "LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
                    "WHERE a.attrelid = '\""} +
        column.table + "\"'::regclass AND a.attname = '" + column.name + "' AND a.attnum > 0");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0][0], column.type);
    EXPECT_EQ(rows[0][1], column.required ? "t" : "f");
    EXPECT_EQ(rows[0][2], column.fallback);
  }
}

// The documented columns come first, in their order; what InferNode adds comes after them.
TEST_F(Schema, KeepsTheOrderOfTheColumns) {
  std::map<std::string, int> position;
  for (const auto& column : kColumns) {
    EXPECT_EQ(server_->value(std::string{"SELECT attnum FROM pg_attribute WHERE attrelid = '\""} +
                             column.table + "\"'::regclass AND attname = '" + column.name + "'"),
              std::to_string(++position[column.table]))
        << column.table << "." << column.name;
  }
}

TEST_F(Schema, HasTheKeysOfTheDataModel) {
  // Table, columns, kind: p primary, u unique.
  const std::vector<std::array<const char*, 3>> keys{
      {"Users", "id", "p"},    {"Tags", "id", "p"},    {"Datasets", "id", "p"},
      {"Videos", "id", "p"},   {"Results", "id", "p"}, {"InferenceJobs", "id", "p"},
      {"Users", "email", "u"}, {"Tags", "name", "u"},  {"Results", "inferenceJob_id", "u"}};
  for (const auto& [table, column, kind] : keys) {
    EXPECT_EQ(
        server_->value(std::string{"SELECT count(*) FROM pg_constraint AS c JOIN pg_attribute "
                                   "AS a ON a.attrelid = c.conrelid AND c.conkey = "
                                   "ARRAY[a.attnum] WHERE c.conrelid = '\""} +
                       table + "\"'::regclass AND a.attname = '" + column + "' AND c.contype = '" +
                       kind + "'"),
        "1")
        << table << "." << column;
  }
  // (user_id, name) is unique among datasets that are not logically deleted.
  EXPECT_EQ(server_->value("SELECT pg_get_indexdef('\"Datasets_user_id_name_live\"'::regclass)"),
            "CREATE UNIQUE INDEX \"Datasets_user_id_name_live\" ON public.\"Datasets\" USING btree "
            "(user_id, name) WHERE (deleted_at IS NULL)");
}

TEST_F(Schema, HasTheEnumsInTheirOrder) {
  const auto labels = [&](const std::string& type) {
    return server_->value(
        "SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum "
        "WHERE enumtypid = '\"" +
        type + "\"'::regtype");
  };
  EXPECT_EQ(labels("enum_Users_role"), "user admin");
  EXPECT_EQ(labels("enum_InferenceJobs_status"), "PENDING RUNNING FAILED ABORTED COMPLETED");
}

TEST_F(Schema, HasTheRelationsOfTheDataModel) {
  // Table, column, target: each with ON UPDATE CASCADE ON DELETE CASCADE.
  const std::vector<std::array<const char*, 3>> relations{
      {"Datasets", "user_id", "Users"},
      {"Videos", "dataset_id", "Datasets"},
      {"InferenceJobs", "dataset_id", "Datasets"},
      {"InferenceJobs", "user_id", "Users"},
      {"InferenceJobs", "video_id", "Videos"},
      {"Results", "inferenceJob_id", "InferenceJobs"}};
  for (const auto& [table, column, target] : relations) {
    const auto rows = server_->sql(
        std::string{"SELECT c.confupdtype, c.confdeltype, t.attname FROM pg_constraint AS c JOIN "
                    "pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum] "
                    "JOIN pg_attribute AS t ON t.attrelid = c.confrelid AND c.confkey = "
                    "ARRAY[t.attnum] WHERE c.contype = 'f' AND c.conrelid = '\""} +
        table + "\"'::regclass AND a.attname = '" + column + "' AND c.confrelid = '\"" + target +
        "\"'::regclass");
    ASSERT_EQ(rows.size(), 1U) << table << "." << column;
    EXPECT_EQ(rows[0], (std::vector<std::string>{"c", "c", "id"})) << table << "." << column;
  }
}

TEST_F(Schema, ChecksEmailAddressesItself) {
  for (const char* wrong : {"", "nobody", "a@b", "@example.com", "a b@example.com", "a@-x.com",
                            "a@example..com", "a@example.com "}) {
    expect_refused(std::string{"INSERT INTO \"Users\" (email, password) VALUES ('"} + wrong +
                   "', 'x')");
  }
  server_->sql("INSERT INTO \"Users\" (email, password) VALUES ('Case@Example.com', 'x')");
  expect_refused("INSERT INTO \"Users\" (email, password) VALUES ('cASE@eXAMPLE.COM', 'x')");
}

TEST_F(Schema, HasTheSixDocumentedMigrationsFirst) {
  const auto listed = json::parse(server_->command({"db:migrate:status", "--json"}).output);
  const std::vector<std::string> documented{
      "20250709105710-create-user",          "20250709144418-create-tag",
      "20250709144419-create-dataset",       "20250709144420-create-video",
      "20250709144421-create-inference-job", "20250709144422-create-result"};
  ASSERT_GT(listed.as_array().size(), documented.size());
  for (std::size_t i = 0; i < documented.size(); ++i) {
    EXPECT_EQ(text(listed.at(i), "name"), documented[i]);
    EXPECT_TRUE(listed.at(i).at("applied").as_bool());
  }
}

TEST_F(Schema, IsDrawnInTheDocumentation) {
  const auto drawn = server_->command({"db:diagram"});
  ASSERT_EQ(drawn.status, 0) << drawn.output;
  std::ifstream in{INFERNODE_SOURCE_DIR "/docs/database.md"};
  const std::string document{std::istreambuf_iterator<char>{in}, {}};
  EXPECT_NE(document.find("```mermaid\n" + drawn.output + "```\n"), std::string::npos)
      << "docs/database.md is stale: infernode db:diagram --update docs/database.md";
}

// --- The database keeps itself sound ------------------------------------------------------------

// A user with a dataset, a video, a job that was completed, its result and segments, and their
// blobs.
struct Rows {
  std::string user, dataset, video, job, result;
};
Rows add_rows(const TestServer& server) {
  const auto made = server.sql(R"(
    WITH owner AS (INSERT INTO "Users" (email, password)
                   VALUES ('owner' || gen_random_uuid() || '@example.com', 'x') RETURNING id),
    dataset AS (INSERT INTO "Datasets" (user_id, name) SELECT id, 'd' FROM owner RETURNING id, user_id),
    file AS (INSERT INTO "Blobs" (id, size) VALUES (gen_random_uuid(), 3) RETURNING id),
    zip AS (INSERT INTO "Blobs" (id, size) VALUES (gen_random_uuid(), 3) RETURNING id),
    chunks AS (INSERT INTO "BlobChunks" (blob_id, start, bytes)
               SELECT id, 0, 'abc'::bytea FROM file UNION ALL SELECT id, 0, 'abc' FROM zip),
    video AS (INSERT INTO "Videos" (dataset_id, file, name, frame_count)
              SELECT dataset.id, file.id, 'v', 1 FROM dataset, file RETURNING id),
    job AS (INSERT INTO "InferenceJobs" (dataset_id, user_id, video_id, params, status, finished_at)
            SELECT dataset.id, user_id, video.id, '{}', 'COMPLETED', now() FROM dataset, video RETURNING id),
    segment AS (INSERT INTO "Segments" (job_id, position, state) SELECT id, 0, 'DONE' FROM job),
    result AS (INSERT INTO "Results" ("inferenceJob_id", json_res, image_zip)
               SELECT job.id, '{}', zip.id FROM job, zip RETURNING id)
    SELECT owner.id, dataset.id, video.id, job.id, result.id FROM owner, dataset, video, job, result)");
  const auto& row = made.at(0);
  return {row[0], row[1], row[2], row[3], row[4]};
}

std::string count(const TestServer& server, const std::string& table, const std::string& column,
                  const std::string& id) {
  return server.value("SELECT count(*) FROM \"" + table + "\" WHERE \"" + column + "\" = '" + id +
                      "'");
}

TEST_F(Schema, DeletesWhatHangsOnADeletedRow) {
  // Deleting the row on the left takes with it everything from its place to the end.
  const std::vector<std::string> chain{"Users", "Datasets", "Videos", "InferenceJobs", "Results"};
  for (std::size_t from = 0; from < chain.size(); ++from) {
    const Rows rows = add_rows(*server_);
    const std::vector<std::string> ids{rows.user, rows.dataset, rows.video, rows.job, rows.result};
    server_->sql("DELETE FROM \"" + chain[from] + "\" WHERE id = '" + ids[from] + "'");
    for (std::size_t i = 0; i < chain.size(); ++i) {
      EXPECT_EQ(count(*server_, chain[i], "id", ids[i]), i < from ? "1" : "0")
          << chain[i] << " after deleting from " << chain[from];
    }
    EXPECT_EQ(count(*server_, "Segments", "job_id", rows.job), from <= 3 ? "0" : "1");
  }
  wait_until("the sweep of what they left", [&] {
    return server_->value(R"(SELECT count(*) FROM "Blobs" AS b WHERE NOT EXISTS
                               (SELECT FROM "Videos" WHERE file = b.id)
                             AND NOT EXISTS (SELECT FROM "Results" WHERE image_zip = b.id))") ==
           "0";
  });
  EXPECT_EQ(
      server_->value(
          R"(SELECT count(*) FROM "BlobChunks" WHERE blob_id NOT IN (SELECT id FROM "Blobs"))"),
      "0");
  // Those that are still referred to are all there.
  EXPECT_EQ(
      server_->value(
          R"(SELECT count(*) FROM "Videos" WHERE file NOT IN (SELECT blob_id FROM "BlobChunks"))"),
      "0");
  EXPECT_EQ(
      server_->value(
          R"(SELECT count(*) FROM "Results" WHERE image_zip NOT IN (SELECT blob_id FROM "BlobChunks"))"),
      "0");
}

TEST_F(Schema, FollowsAChangedId) {
  const Rows rows = add_rows(*server_);
  const auto renamed = [&](const std::string& table, const std::string& old) {
    const std::string id = server_->value("SELECT gen_random_uuid()");
    server_->sql("UPDATE \"" + table + "\" SET id = '" + id + "' WHERE id = '" + old + "'");
    return id;
  };
  const std::string user = renamed("Users", rows.user);
  EXPECT_EQ(count(*server_, "Datasets", "user_id", user), "1");
  EXPECT_EQ(count(*server_, "InferenceJobs", "user_id", user), "1");
  EXPECT_EQ(count(*server_, "LedgerEntries", "user_id", user), "1");
  const std::string dataset = renamed("Datasets", rows.dataset);
  EXPECT_EQ(count(*server_, "Videos", "dataset_id", dataset), "1");
  EXPECT_EQ(count(*server_, "InferenceJobs", "dataset_id", dataset), "1");
  const std::string video = renamed("Videos", rows.video);
  EXPECT_EQ(count(*server_, "InferenceJobs", "video_id", video), "1");
  const std::string job = renamed("InferenceJobs", rows.job);
  EXPECT_EQ(count(*server_, "Results", "inferenceJob_id", job), "1");
  EXPECT_EQ(count(*server_, "Segments", "job_id", job), "1");
  const auto verified = server_->command({"ledger:verify"});
  EXPECT_EQ(verified.status, 0) << verified.output;
}

TEST_F(Schema, NeverSweepsABlobThatIsReferredTo) {
  const Rows rows = add_rows(*server_);
  server_->sql(
      "UPDATE \"Blobs\" SET expires_at = now() - interval '1 day' WHERE id IN (SELECT file "
      "FROM \"Videos\" WHERE id = '" +
      rows.video +
      "' UNION SELECT image_zip FROM "
      "\"Results\" WHERE id = '" +
      rows.result + "')");
  const std::string stray = server_->value(
      "INSERT INTO \"Blobs\" (id, expires_at) VALUES (gen_random_uuid(), now()) RETURNING id");
  wait_until("a sweep", [&] { return count(*server_, "Blobs", "id", stray) == "0"; });
  EXPECT_EQ(server_->value("SELECT count(*) FROM \"Videos\" AS v JOIN \"BlobChunks\" AS c ON "
                           "c.blob_id = v.file WHERE v.id = '" +
                           rows.video + "'"),
            "1");
  EXPECT_EQ(server_->value("SELECT count(*) FROM \"Results\" AS r JOIN \"BlobChunks\" AS c ON "
                           "c.blob_id = r.image_zip WHERE r.id = '" +
                           rows.result + "'"),
            "1");
}

TEST_F(Schema, KeepsTheStatusOfAJobLegal) {
  const auto job_as = [&](const std::string& status) {
    const Rows rows = add_rows(*server_);
    server_->sql("DELETE FROM \"InferenceJobs\" WHERE id = '" + rows.job + "'");
    return server_->value(
        "INSERT INTO \"InferenceJobs\" (dataset_id, user_id, video_id, params, status, "
        "finished_at) "
        "VALUES ('" +
        rows.dataset + "', '" + rows.user + "', '" + rows.video + "', '{}', '" + status +
        "', CASE WHEN '" + status +
        "' IN ('PENDING', 'RUNNING') THEN NULL ELSE now() END) RETURNING id");
  };
  const std::vector<std::string> all{"PENDING", "RUNNING", "FAILED", "ABORTED", "COMPLETED"};
  const std::set<std::string> legal{"PENDING RUNNING", "PENDING ABORTED", "RUNNING COMPLETED",
                                    "RUNNING FAILED", "RUNNING ABORTED"};
  for (const auto& from : all) {
    for (const auto& to : all) {
      const std::string change =
          "UPDATE \"InferenceJobs\" SET status = '" + to + "', finished_at = CASE WHEN '" + to +
          "' IN ('PENDING', 'RUNNING') THEN NULL ELSE now() END WHERE id = '" + job_as(from) + "'";
      if (from == to || legal.contains(from + " " + to)) {
        EXPECT_NO_THROW(server_->sql(change)) << from << " to " << to;
      } else {
        expect_refused(change);
      }
    }
  }
  expect_refused("UPDATE \"InferenceJobs\" SET status = 'ABORTED' WHERE id = '" +
                 job_as("PENDING") + "'");  // without its time
  // Nor can it end with tokens on hold.
  const std::string job = job_as("RUNNING");
  server_->sql(
      "INSERT INTO \"Holds\" (job_id, user_id, held) SELECT id, user_id, 1 FROM "
      "\"InferenceJobs\" WHERE id = '" +
      job + "'");
  expect_refused(
      "UPDATE \"InferenceJobs\" SET status = 'FAILED', finished_at = now() WHERE id = '" + job +
      "'");
  // A job that is deleted under way gives back what is on hold.
  const std::string owner =
      server_->value("SELECT user_id FROM \"InferenceJobs\" WHERE id = '" + job + "'");
  server_->sql("DELETE FROM \"InferenceJobs\" WHERE id = '" + job + "'");
  EXPECT_EQ(server_->value("SELECT tokens FROM \"Users\" WHERE id = '" + owner + "'"), "101.000");
}

TEST_F(Schema, KeepsTheLedgerAppendOnlyAndTheBalanceItsSum) {
  const Rows rows = add_rows(*server_);
  const std::string of_user = " WHERE user_id = '" + rows.user + "'";
  const std::string by_id = " WHERE id = '" + rows.user + "'";
  server_->sql("INSERT INTO \"LedgerEntries\" (user_id, kind, amount) VALUES ('" + rows.user +
               "', 'upload', -0.5)");
  EXPECT_EQ(server_->value("SELECT tokens FROM \"Users\"" + by_id), "99.500");
  EXPECT_EQ(
      server_->value("SELECT balance_after FROM \"LedgerEntries\"" + of_user + " AND seq = 2"),
      "99.500");
  for (const char* column : {"amount = 5", "balance_after = 5", "note = 'x'", "hash = ''",
                             "kind = 'refund'", "user_id = gen_random_uuid()", "seq = 9"}) {
    expect_refused(std::string{"UPDATE \"LedgerEntries\" SET "} + column + of_user);
  }
  expect_refused("DELETE FROM \"LedgerEntries\"" + of_user);
  expect_refused("TRUNCATE \"LedgerEntries\"");
  expect_refused("TRUNCATE \"Users\" CASCADE");
  // Nor where ordinary triggers are off.
  expect_refused("SET session_replication_role = replica; DELETE FROM \"LedgerEntries\"" + of_user);
  expect_refused("UPDATE \"Users\" SET tokens = tokens + 1" + by_id);
  expect_refused("UPDATE \"Users\" SET ledger_hash = ''" + by_id);
  const auto post = [&](const std::string& kind, const std::string& amount) {
    return "INSERT INTO \"LedgerEntries\" (user_id, kind, amount) VALUES ('" + rows.user + "', '" +
           kind + "', " + amount + ")";
  };
  expect_refused(post("job", "-99.501"));  // below zero
  expect_refused(post("job", "1"));        // the wrong sign
  expect_refused(post("refund", "-1"));
  expect_refused(post("opening", "1"));   // twice
  expect_refused(post("recharge", "1"));  // by nobody
  // An entry that is dropped again moves nothing.
  const std::string repeated =
      server_->value("SELECT id FROM \"LedgerEntries\"" + of_user + " AND seq = 2");
  expect_refused("INSERT INTO \"LedgerEntries\" (id, user_id, kind, amount) VALUES ('" + repeated +
                 "', '" + rows.user + "', 'upload', -1) ON CONFLICT DO NOTHING");
  EXPECT_EQ(server_->value("SELECT tokens FROM \"Users\"" + by_id), "99.500");
  expect_refused("UPDATE \"AuditEntries\" SET action = 'x'");
  expect_refused("DELETE FROM \"AuditEntries\"");
}

// --- Migrations ---------------------------------------------------------------------------------

TEST(Migrations, GoDownAndUpUnchangedAtEveryStep) {
  TestServer server;
  const auto dump = [&] {
    // Into a file: of what a process writes only the end is kept.
    const auto file = server.folder() / "schema.sql";
    const auto result = run_process({"pg_dump", "--schema-only", "--file", file.string(), "--host",
                                     (server.folder() / "data/postgres-socket").string(),
                                     "--username", "postgres", "InferNode"});
    EXPECT_EQ(result.status, 0) << result.output;
    std::ifstream in{file};
    const std::string schema{std::istreambuf_iterator<char>{in}, {}};
    // Newer versions of pg_dump put a random word into their dumps.
    static const std::regex kRandom{"\\\\(un)?restrict \\w+"};
    return std::regex_replace(schema, kRandom, "");
  };
  const auto run = [&](const std::vector<std::string>& arguments) {
    const auto result = server.command(arguments);
    EXPECT_EQ(result.status, 0) << result.output;
    return result.output;
  };
  const auto list = json::parse(run({"db:migrate:status", "--json"}));
  run({"db:migrate:undo", "--all"});
  EXPECT_EQ(server.value("SELECT count(*) FROM schema_migrations"), "0");
  EXPECT_EQ(
      server.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                   "AND relkind = 'r' AND relname <> 'schema_migrations'"),
      "0");
  std::string below = dump();
  for (const auto& entry : list.as_array()) {
    const std::string version = text(entry, "version");
    run({"db:migrate", "--to", version});
    const std::string above = dump();
    EXPECT_NE(above, below) << version;
    EXPECT_NE(run({"db:migrate:undo"}).find("undone " + version), std::string::npos);
    EXPECT_EQ(dump(), below) << version << ": down does not undo up";
    run({"db:migrate", "--to", version});
    EXPECT_EQ(dump(), above) << version << ": up again differs";
    below = above;
  }
  EXPECT_NE(run({"db:migrate"}).find("Nothing to do"), std::string::npos);
}

// What is there is carried over: a ledger is chained as it stands, jobs get their holds, and all of
// it survives the way down and up again.
TEST(Migrations, CarryOverWhatIsThere) {
  TestServer server;
  const auto run = [&](const std::vector<std::string>& arguments) {
    const auto result = server.command(arguments);
    EXPECT_EQ(result.status, 0) << result.output;
    const auto kept = server.command({"db:url"});  // the database goes on running
    EXPECT_EQ(kept.status, 0) << kept.output;
  };
  server.stop();
  run({"db:migrate:undo", "--all"});
  run({"db:migrate", "--to", "20261122100003"});
  server.sql(
      R"(INSERT INTO "Users" (email, password) VALUES ('a@example.com', 'x'), ('b@example.com', 'x');
    WITH u AS (UPDATE "Users" SET tokens = tokens - 0.24 WHERE email = 'a@example.com' RETURNING *)
    INSERT INTO "LedgerEntries" (user_id, kind, amount, balance_after, note) SELECT id, 'upload', -0.24, tokens, 'ü' FROM u;
    WITH u AS (UPDATE "Users" SET tokens = tokens + 5 WHERE email = 'a@example.com' RETURNING *)
    INSERT INTO "LedgerEntries" (user_id, kind, amount, balance_after) SELECT id, 'recharge', 5, tokens FROM u;
    INSERT INTO "Blobs" (id) VALUES ('5eed0000-0000-4000-8000-000000000041');
    INSERT INTO "Datasets" (id, user_id, name) SELECT '5eed0000-0000-4000-8000-000000000042', id, 'd'
      FROM "Users" WHERE email = 'a@example.com';
    INSERT INTO "Videos" (id, dataset_id, file, name, frame_count) VALUES ('5eed0000-0000-4000-8000-000000000043',
      '5eed0000-0000-4000-8000-000000000042', '5eed0000-0000-4000-8000-000000000041', 'v', 9);
    INSERT INTO "InferenceJobs" (dataset_id, user_id, video_id, params, status, images, done, price, cost, finished_at)
      SELECT '5eed0000-0000-4000-8000-000000000042', u.id, '5eed0000-0000-4000-8000-000000000043', '{}', s.status::"enum_InferenceJobs_status",
             10, 4, 0.002, s.cost, s.at::timestamptz
        FROM "Users" AS u, (VALUES ('RUNNING', 0.02, NULL), ('COMPLETED', 0.008, '2026-01-01'), ('FAILED', 0, '2026-01-01')) AS s (status, cost, at)
       WHERE u.email = 'a@example.com')");
  const auto expect_carried_over = [&] {
    EXPECT_EQ(
        server.value(
            R"(SELECT string_agg(seq || ' ' || kind || ' ' || balance_after, ', ' ORDER BY seq)
        FROM "LedgerEntries" WHERE user_id = (SELECT id FROM "Users" WHERE email = 'a@example.com'))"),
        "1 opening 100.000, 2 upload 99.760, 3 recharge 104.760");
    EXPECT_EQ(
        server.value(
            R"(SELECT string_agg(status || ' ' || settled || ' ' || released || ' ' || (closed_at IS NOT NULL),
        ', ' ORDER BY status) FROM "Holds" JOIN "InferenceJobs" ON id = job_id)"),
        "RUNNING 0.008 0.000 false, FAILED 0.000 0.020 true, COMPLETED 0.008 0.012 true");
  };
  run({"db:migrate"});
  run({"ledger:verify"});
  expect_carried_over();
  run({"db:migrate:undo"});
  run({"db:migrate:undo"});
  run({"db:migrate:undo"});
  run({"db:migrate"});
  expect_carried_over();
  server.sql(
      R"(INSERT INTO "LedgerEntries" (user_id, kind, amount) SELECT id, 'upload', -1 FROM "Users")");
  run({"ledger:verify"});
  // A balance that its entries do not explain is told by name, and nothing is changed.
  run({"db:migrate:undo", "--all"});
  run({"db:migrate", "--to", "20261122100003"});
  server.sql(
      R"(INSERT INTO "Users" (email, password) VALUES ('odd@example.com', 'x'); UPDATE "Users" SET tokens = 7)");
  const auto stopped = server.command({"db:migrate"});
  EXPECT_EQ(stopped.status, 1);
  EXPECT_NE(stopped.output.find(
                "odd@example.com has 7.000 tokens, but the ledger's entries make 100.000"),
            std::string::npos)
      << stopped.output;
}

// A copy of what a checkout looks like: the binary in build/PRESET/bin and the folder db.
class Checkout : public testing::Test {
protected:
  Checkout() {
    const fs::path root = folder_.path();
    fs::create_directories(root / "build/release/bin");
    fs::copy_file(INFERNODE_BINARY, root / "build/release/bin/infernode");
    fs::copy(INFERNODE_SOURCE_DIR "/db", root / "db", fs::copy_options::recursive);
    std::ofstream{root / "CMakePresets.json"} << "{}";
  }
  ~Checkout() override { run({"db:migrate:status"}); }

  CommandResult run(const std::vector<std::string>& arguments,
                    const std::string& environment = "development") const {
    std::vector<std::string> line{"env",
                                  "-C",
                                  "/",
                                  "INFERNODE_DATA_DIR=" + data(),
                                  "INFERNODE_ENV=" + environment,
                                  (folder_.path() / "build/release/bin/infernode").string()};
    line.insert(line.end(), arguments.begin(), arguments.end());
    const auto result = run_process(line);
    return {result.status, result.output};
  }
  std::string data() const { return (folder_.path() / "data").string(); }
  // A migration with this SQL; returns its version.
  std::string add_migration(const std::string& name, const std::string& up) const {
    const auto made = run({"db:migration:generate", name});
    EXPECT_EQ(made.status, 0) << made.output;
    const fs::path file = made.output.substr(0, made.output.size() - 1);
    EXPECT_TRUE(fs::exists(file)) << file;
    std::ofstream{file} << "-- migrate:up\n" << up << "\n-- migrate:down\nDROP TABLE added;\n";
    return file.filename().string().substr(0, 14);
  }

  TemporaryFolder folder_;
};

TEST_F(Checkout, PicksAGeneratedMigrationUpWithoutABuild) {
  EXPECT_EQ(run({"db:migrate"}).status, 0);
  const std::string version = add_migration("add-new-field", "CREATE TABLE added (id INTEGER);");
  const auto planned = run({"db:migrate", "--dry-run"});
  EXPECT_NE(planned.output.find("CREATE TABLE added (id INTEGER);"), std::string::npos);
  EXPECT_EQ(planned.output.find("CREATE TABLE \"Users\""), std::string::npos);
  EXPECT_NE(run({"db:migrate:status"}).output.find("[ ] " + version), std::string::npos);
  EXPECT_EQ(run({"db:migrate"}).output, "migrated " + version + "-add-new-field\n");
  EXPECT_NE(run({"db:migrate:status"}).output.find("[X] " + version), std::string::npos);
  // A binary that does not know it stops, and says why.
  for (const char* command : {"db:migrate", "serve", "worker"}) {
    const auto stopped = run({command}, "production");
    EXPECT_EQ(stopped.status, 1) << command;
    EXPECT_NE(stopped.output.find("migrated by a newer InferNode (version " + version),
              std::string::npos)
        << stopped.output;
  }
  EXPECT_NE(run({"db:migrate:status"}, "production").output.find("unknown to this InferNode"),
            std::string::npos);
  EXPECT_EQ(run({"db:migrate:undo"}).output, "undone " + version + "-add-new-field\n");
  EXPECT_EQ(run({"db:migration:generate", "no spaces"}).status, 1);
}

TEST_F(Checkout, SaysWhereAMigrationFailedAndKeepsNothingOfIt) {
  EXPECT_EQ(run({"db:migrate"}).status, 0);
  add_migration("fails",
                "CREATE TABLE added (id INTEGER);\n"
                "INSERT INTO added VALUES (1); -- one; two\n"
                "\n"
                "SELECT 1 / (id - 1)\n"
                "  FROM added;\n");
  auto failed = run({"db:migrate"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_NE(
      failed.output.find("-fails, statement 3, line 5: script: division by zero; nothing of it "
                         "was kept"),
      std::string::npos)
      << failed.output;
  const std::string status = run({"db:migrate:status"}).output;
  const auto place = status.find("-fails");
  ASSERT_NE(place, std::string::npos);
  EXPECT_EQ(status.substr(place - 18, 4), "[ ] ");
  for (const auto& entry : fs::directory_iterator{folder_.path() / "db/migrations"}) {
    if (entry.path().string().ends_with("-fails.sql")) {
      std::ofstream{entry.path()} << "-- migrate:up\nCREATE TABLE added (id INTEGER);\n\n\nSELECT\n"
                                     "  nothing;\n-- migrate:down\nDROP TABLE added;\n";
    }
  }
  failed = run({"db:migrate"});
  EXPECT_NE(failed.output.find("statement 2, line 6: script: column \"nothing\" does not exist"),
            std::string::npos)
      << failed.output;
}

TEST_F(Checkout, MigratesOnceHoweverManyDoItAtOnce) {
  EXPECT_EQ(run({"db:migrate:status"}).status, 0);  // makes the cluster
  EXPECT_EQ(run({"db:url"}).status, 0);
  std::vector<std::string> outputs(4);
  std::vector<std::thread> threads;
  for (auto& output : outputs) {
    threads.emplace_back([this, &output] {
      const auto result = run({"db:migrate"});
      output = result.output + (result.status == 0 ? "" : "FAILED");
    });
  }
  std::string all;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    all += outputs[i];
  }
  EXPECT_EQ(all.find("FAILED"), std::string::npos) << all;
  for (const auto& entry : fs::directory_iterator{folder_.path() / "db/migrations"}) {
    const std::string line = "migrated " + entry.path().stem().string() + "\n";
    const auto first = all.find(line);
    EXPECT_NE(first, std::string::npos) << line;
    EXPECT_EQ(all.find(line, first + 1), std::string::npos) << line << " twice";
  }
}

// --- Seeders ------------------------------------------------------------------------------------

TEST(Seeders, MakeWhatTheDataModelSaysAndUnmakeIt) {
  TestServer server;
  const std::string everything = R"(SELECT (SELECT count(*) FROM "Users") || ' users, ' ||
      (SELECT count(*) FROM "Tags") || ' tags, ' || (SELECT count(*) FROM "Datasets") || ' datasets, ' ||
      (SELECT count(*) FROM "LedgerEntries") || ' entries')";
  TestUser bystander{server};
  bystander.create_dataset("mine");
  const std::string before = server.value(everything);
  ASSERT_EQ(server.command({"db:seed"}).status, 0);
  EXPECT_EQ(
      server.sql(
          R"(SELECT email, role, tokens FROM "Users" WHERE email NOT LIKE 'test-%' ORDER BY tokens DESC)"),
      (std::vector<std::vector<std::string>>{{"admin@example.com", "admin", "1000.000"},
                                             {"user1@example.com", "user", "100.000"},
                                             {"user2@example.com", "user", "50.000"}}));
  EXPECT_EQ(server.value(R"(SELECT string_agg(name, ' ' ORDER BY id) FROM "Tags")"),
            "computer-vision ai machine-learning deep-learning neural-networks");
  EXPECT_EQ(server.value(R"(SELECT count(*) FILTER (WHERE deleted_at IS NULL) || ' live, ' ||
                            count(*) FILTER (WHERE deleted_at IS NOT NULL) || ' deleted, ' ||
                            count(DISTINCT tags) || ' sets of tags'
                            FROM "Datasets" WHERE id::text LIKE '5eed%')"),
            "1 live, 1 deleted, 2 sets of tags");
  http::Client client{"127.0.0.1", server.port()};
  for (const char* email : {"admin@example.com", "user1@example.com", "USER2@example.com"}) {
    const json::object credentials{{"email", email}, {"password", "password"}};
    EXPECT_EQ(client.request("POST", "/api/v1/auth/login", json::serialize(credentials)).status,
              200)
        << email;
  }
  EXPECT_NE(server.command({"db:seed"}).output.find("Nothing to do"), std::string::npos);
  // What no seeder made is not taken along.
  const json::object credentials{{"email", "user1@example.com"}, {"password", "password"}};
  client.set_token(text(
      json::parse(client.request("POST", "/api/v1/auth/login", json::serialize(credentials)).body),
      "token"));
  ASSERT_EQ(client.request("POST", "/api/v1/datasets", R"({"name":"own work"})").status, 201);
  const std::string seeded = server.value(everything);
  const auto refused = server.command({"db:seed:undo"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.output.find("user1@example.com has the dataset \"own work\""),
            std::string::npos)
      << refused.output;
  EXPECT_EQ(server.value(everything), seeded);
  server.sql(R"(DELETE FROM "Datasets" WHERE name = 'own work')");
  EXPECT_EQ(server.command({"db:seed:undo"}).status, 0);
  EXPECT_EQ(server.value(everything), before);
  EXPECT_EQ(server.command({"db:seed"}).status, 0);
}

TEST(Seeders, RefuseInProductionUnlessForced) {
  TestServer server{{{"INFERNODE_ENV", "production"}}};
  const auto refused = server.command({"db:seed"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.output.find("INFERNODE_ENV=production"), std::string::npos);
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Users\""), "0");
  EXPECT_EQ(server.command({"db:seed", "--force"}).status, 0);
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Users\""), "3");
}

}  // namespace
}  // namespace infernode::test
