#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>
#include <vector>

#include "accounts/account_service.hpp"
#include "accounts/login_throttle.hpp"
#include "accounts/user_administration.hpp"
#include "app/metrics.hpp"
#include "app/supervisor.hpp"
#include "audit/audit_service.hpp"
#include "blobs/blob_store.hpp"
#include "blobs/postgres_chunks.hpp"
#include "core/config.hpp"
#include "credits/credit_service.hpp"
#include "datasets/dataset_service.hpp"
#include "db/migrations.hpp"
#include "db/pool.hpp"
#include "energy/grid.hpp"
#include "events/event_hub.hpp"
#include "http/openapi.hpp"
#include "http/outgoing.hpp"
#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"
#include "inference/model_catalogue.hpp"
#include "jobs/job_clearing.hpp"
#include "jobs/job_service.hpp"
#include "jobs/segment_service.hpp"
#include "models/installed_models.hpp"
#include "models/model_cache.hpp"
#include "models/model_service.hpp"
#include "pipelines/pipeline.hpp"
#include "results/assembler.hpp"
#include "results/result_service.hpp"
#include "runner/host/prober.hpp"
#include "runner/host/unpacker.hpp"
#include "usage/usage_service.hpp"
#include "videos/uploads/upload_service.hpp"
#include "videos/video_ingest.hpp"
#include "videos/video_service.hpp"
#include "webhooks/webhook_service.hpp"
#include "worker/worker.hpp"

namespace infernode::app {

// The composition root: every part of the program, wired together. Members are declared in the
// order in which they need each other.
struct App {
  // Throws std::runtime_error when models or the grid's figure cannot be had.
  App(const Config& settings, const std::string& conninfo,
      std::vector<db::Migration> known_migrations);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // `count` workers that start to work when the context runs, and the listener that wakes them.
  void add_workers(int count);
  void wake_workers();
  void stop_workers();
  // What each worker can do now.
  std::vector<std::string> worker_offers() const;
  // After a model was added or removed; throws nothing.
  asio::awaitable<void> reread_models();

  Config config;
  std::vector<db::Migration> migrations;
  std::string conninfo;
  asio::io_context context{1};
  asio::thread_pool blocking{1};  // files, signatures
  Supervisor supervisor;
  db::Pool database;
  db::Pool bulk;     // moves contents, so that nobody else waits behind them
  db::Pool writing;  // stores their chunks, and makes room for them
  EventHub events;
  PipelineCatalogue pipelines;
  const inference::ModelCatalogue shipped;  // models of the folder
  inference::ModelCatalogue models;         // and those that were added; see InstalledModels
  energy::GridIntensity grid;
  PostgresChunks chunks;
  BlobStore blobs;
  StorageQuota storage;
  AuditService audit;
  IdempotencyService idempotency;
  LoginThrottle throttle;
  CredentialService credentials;
  CreditService credits;
  UsageService usage;
  DatasetService datasets;
  runner::VideoProber prober;
  runner::ZipUnpacker unpacker;
  VideoIngest ingest;
  UploadService uploads;
  VideoService videos;
  JobService jobs;
  JobClearing clearing;
  http::Outgoing outgoing;
  WebhookService webhooks;
  SegmentService segments;
  ResultService results;
  Assembler assembler;
  asio::steady_timer next_refresh;  // of models; cancelled when they change
  bool models_changed = false;      // since it was begun to read them
  ModelService model_service;
  ModelCache model_cache;
  InstalledModels installed;
  std::vector<std::unique_ptr<Worker>> workers;
  int running_workers = 0;
  Metrics metrics;
};

// What answers requests. Everything must outlive the router.
struct Api {
  Api(App& app, const std::filesystem::path& keys_dir);

  TokenSigner signer;
  PasswordHasher hasher;
  AccountService accounts;
  UserAdministration administration;
  http::ApiDocument document;
  http::Router router;
};

// What every process does behind its work: the pulse of the database, the sweeps, room on a disk
// that was full.
void start_services(App& app);
// What a server does besides: it reads the keys again, and watches its own loop.
void start_server_services(App& app, Api& api);

// Pages outside of the API document's paths, and the state of the server. `document` must outlive
// the router.
void add_pages(http::Router& router, App& app, const http::ApiDocument& document);

// Tries models out of their blobs.
TryModel make_model_trial(asio::any_io_executor executor, BlobStore& blobs);

JobLimits job_limits(const Config& config);

// The configured grid intensity. Throws std::runtime_error for a country without a figure.
energy::GridIntensity grid_intensity(const Config& config);

}  // namespace infernode::app
