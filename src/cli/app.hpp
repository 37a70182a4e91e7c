#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accounts/account_service.hpp"
#include "accounts/login_throttle.hpp"
#include "accounts/user_repository.hpp"
#include "audit/audit_service.hpp"
#include "blobs/blob_store.hpp"
#include "core/config.hpp"
#include "credits/credit_service.hpp"
#include "datasets/dataset_service.hpp"
#include "db/migrations.hpp"
#include "db/pool.hpp"
#include "energy/grid.hpp"
#include "http/openapi.hpp"
#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"
#include "inference/model_catalogue.hpp"
#include "jobs/job_service.hpp"
#include "jobs/segment_queue.hpp"
#include "results/result_service.hpp"
#include "videos/video_service.hpp"
#include "worker/prober.hpp"
#include "worker/worker.hpp"

namespace infernode::cli {

// Every room, wired together. Members are declared in the order in which they need each other.
struct App {
  // Throws std::runtime_error when models or the grid's figure cannot be had.
  App(const Config& settings, const std::string& conninfo,
      std::vector<db::Migration> known_migrations);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // `count` workers that start to work when the context runs.
  void add_workers(int count);
  void stop_workers();

  Config config;
  std::vector<db::Migration> migrations;
  asio::io_context context{1};
  asio::thread_pool blocking{2};  // bcrypt
  db::Pool pool;
  std::string listen_conninfo;
  std::vector<inference::Model> models;
  energy::GridIntensity grid;
  BlobStore blobs;
  AuditRepository audit_repository;
  IdempotencyRepository idempotency_repository;
  UserRepository user_repository;
  LedgerRepository ledger_repository;
  DatasetRepository dataset_repository;
  VideoRepository video_repository;
  JobRepository job_repository;
  ResultRepository result_repository;
  AuditService audit;
  IdempotencyService idempotency;
  LoginThrottle throttle;
  CreditService credits;
  DatasetService datasets;
  VideoProber prober;
  VideoService videos;
  JobService jobs;
  SegmentQueue queue;
  ResultService results;
  std::vector<std::unique_ptr<Worker>> workers;
  int running_workers = 0;
};

// All routes of the API and the pages around it. Everything must outlive the router.
struct Edge {
  Edge(App& app, const std::filesystem::path& keys_dir);

  TokenSigner signer;
  PasswordHasher hasher;
  AccountService accounts;
  http::ApiDocument document;
  http::Router router;
};

// Deletes what has expired (blobs, idempotency keys, counts of failed logins), for ever.
asio::awaitable<void> sweep(App& app);
// Reads the keys again every few seconds, so that a new one needs no restart, for ever.
asio::awaitable<void> reload_keys(App& app, Edge& edge);

// The configured grid intensity. Throws std::runtime_error for a country without a figure.
energy::GridIntensity grid_intensity(const Config& config);

}  // namespace infernode::cli
