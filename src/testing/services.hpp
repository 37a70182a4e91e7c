#pragma once

#include <string>
#include <vector>

#include "audit/audit_service.hpp"
#include "blobs/blob_store.hpp"
#include "blobs/postgres_chunks.hpp"
#include "credits/credit_service.hpp"
#include "datasets/dataset_service.hpp"
#include "idempotency/idempotency_service.hpp"
#include "jobs/job_clearing.hpp"
#include "jobs/job_service.hpp"
#include "jobs/segment_service.hpp"
#include "pipelines/pipeline.hpp"
#include "results/assembler.hpp"
#include "results/result_service.hpp"
#include "testing/test_database.hpp"
#include "videos/video_ingest.hpp"
#include "videos/video_service.hpp"

namespace infernode::test {

// What a test says of a job; the rest is filled in.
struct JobSpec {
  int frame_count = 120;  // of its video
  boost::json::object params{};
  std::string tokens = "100";  // of its user, beforehand
};

// A job that make_job() made, with what it belongs to.
struct MadeJob {
  UserId user;
  DatasetId dataset;
  VideoId video;
  JobId job;
};

// The services over a test database, wired as the program wires them, with factories that fill in
// what a test does not say. A lease lasts 15 s of the database's clock.
class Services {
public:
  explicit Services(int connections = 8);

  UserId make_user(const std::string& tokens = "100");
  DatasetId make_dataset(UserId user, const std::string& name = "set");
  // Its file is a small blob; its keyframes are 25 frames apart.
  VideoId make_video(DatasetId dataset, int frame_count = 120,
                     const std::vector<std::byte>& file = std::vector<std::byte>(1000));
  // Accepted by the service, so paid for and planned.
  MadeJob make_job(const JobSpec& spec = {});
  JobId make_job_of(UserId user, VideoId video, boost::json::object params = {}, int priority = 0);
  // Of a completed one.
  JobId redraw(const MadeJob& drawn, boost::json::object changes);
  // As a worker with every model would claim; nullopt when there is nothing.
  std::optional<ClaimedSegment> claim();
  // What a worker would store of the segment, `bytes` for each frame.
  SegmentOutcome outcome_of(const ClaimedSegment& segment, std::size_t jpeg_bytes = 10);
  bool complete(const ClaimedSegment& segment);
  // Works every segment off that can be claimed, assembly included.
  void work_everything_off();
  void assemble(const ClaimedSegment& segment);

  Job find(const MadeJob& made);
  // Every balance is the sum of its entries, every hold of an ended job is closed.
  void expect_sound_money();

  TestDatabase database;
  db::Pool& pool{database.pool()};
  PipelineCatalogue pipelines;
  inference::ModelCatalogue models;
  PostgresChunks chunks{pool, pool};
  BlobStore blobs{pool, chunks};
  StorageQuota storage{pool, StorageLimits{}};
  AuditService audit{pool};
  IdempotencyService idempotency{pool};
  CreditService credits{pool, audit, PriceList{}};
  DatasetService datasets;
  VideoIngest ingest;
  VideoService videos;
  JobService jobs;
  JobClearing clearing;
  SegmentService segments;
  ResultService results;
  Assembler assembler;
  WorkerInfo worker;
};

}  // namespace infernode::test
