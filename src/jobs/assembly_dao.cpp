#include "jobs/assembly_dao.hpp"

#include "core/json.hpp"

namespace infernode::assembly_dao {
namespace {

using db::Statement;

constexpr Statement kFind{"assemblies.find", R"sql(
  SELECT "job_id", "position", "images_blob", "images_size", "frames_blob", "frames_size",
         "directory_blob", "directory_size", "index_blob", "index_size", "entries", "totals"
    FROM "Assemblies" WHERE "job_id" = $1
)sql"};
constexpr Statement kInsert{"assemblies.insert", R"sql(
  INSERT INTO "Assemblies" ("job_id", "images_blob", "frames_blob", "directory_blob", "index_blob")
  VALUES ($1, $2, $3, $4, $5)
)sql"};
constexpr Statement kUpdate{"assemblies.update", R"sql(
  UPDATE "Assemblies"
     SET "position" = $2, "images_size" = $3, "frames_size" = $4, "directory_size" = $5,
         "index_size" = $6, "entries" = $7, "totals" = $8
   WHERE "job_id" = $1
)sql"};
constexpr Statement kRemove{"assemblies.remove", R"sql(
  DELETE FROM "Assemblies" WHERE "job_id" = $1
)sql"};

Assembly assembly_from_row(const db::Row& row) {
  Assembly assembly;
  assembly.job = row.get<JobId>("job_id");
  assembly.position = row.get<int>("position");
  assembly.images_blob = row.get<BlobId>("images_blob");
  assembly.images_bytes = row.get<std::int64_t>("images_size");
  assembly.frames_blob = row.get<BlobId>("frames_blob");
  assembly.frames_bytes = row.get<std::int64_t>("frames_size");
  assembly.directory_blob = row.get<BlobId>("directory_blob");
  assembly.directory_bytes = row.get<std::int64_t>("directory_size");
  assembly.index_blob = row.get<BlobId>("index_blob");
  assembly.index_bytes = row.get<std::int64_t>("index_size");
  assembly.entries = row.get<std::int64_t>("entries");
  assembly.totals = boost::json::parse(row.get<std::string>("totals")).as_object();
  return assembly;
}

}  // namespace

asio::awaitable<std::optional<Assembly>> find(db::Executor& executor, JobId job) {
  const db::Rows rows = co_await executor.execute(kFind, job);
  co_return rows.optional(assembly_from_row);
}

void insert(db::Transaction& transaction, const Assembly& assembly) {
  transaction.queue(kInsert, assembly.job, assembly.images_blob, assembly.frames_blob,
                    assembly.directory_blob, assembly.index_blob);
}

void update(db::Transaction& transaction, const Assembly& assembly) {
  transaction.queue(kUpdate, assembly.job, assembly.position, assembly.images_bytes,
                    assembly.frames_bytes, assembly.directory_bytes, assembly.index_bytes,
                    assembly.entries, json_text(assembly.totals));
}

void remove(db::Transaction& transaction, JobId job) {
  transaction.queue(kRemove, job);
}

asio::awaitable<void> remove(db::Executor& executor, JobId job) {
  co_await executor.execute(kRemove, job);
}

}  // namespace infernode::assembly_dao
