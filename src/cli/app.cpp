#include "cli/app.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "accounts/account_controller.hpp"
#include "audit/audit_controller.hpp"
#include "core/blocking.hpp"
#include "core/embedded.hpp"
#include "core/log.hpp"
#include "credits/credit_controller.hpp"
#include "datasets/dataset_controller.hpp"
#include "db/listener.hpp"
#include "http/problem.hpp"
#include "jobs/job_controller.hpp"
#include "results/result_controller.hpp"
#include "videos/video_controller.hpp"

namespace infernode::cli {
namespace {

constexpr std::chrono::minutes kKeepInterval{2};

// Probing a large file takes a while, and the upload must not expire meanwhile.
Prober make_prober(VideoProber& prober, BlobStore& blobs) {
  return [&prober, &blobs](BlobId file,
                           std::int64_t size) -> asio::awaitable<Result<media::MediaInfo>> {
    const auto kept_at = std::make_shared<std::chrono::steady_clock::time_point>();
    VideoReader read = [&blobs, file, kept_at](
                           std::int64_t offset,
                           std::size_t max_bytes) -> asio::awaitable<std::vector<std::byte>> {
      const auto now = std::chrono::steady_clock::now();
      if (now - *kept_at > kKeepInterval) {
        *kept_at = now;
        co_await blobs.keep(file);
      }
      co_return co_await blobs.read(file, offset, max_bytes);
    };
    co_return co_await prober.probe(size, std::move(read));
  };
}

asio::awaitable<Result<http::Response>> readiness(App& app) {
  bool current = true;
  std::string reason = "The database cannot be reached.";
  try {
    const auto connection = co_await app.pool.acquire();
    co_await db::require_current_schema(*connection, app.migrations);
  } catch (const db::MigrationError&) {
    current = false;
    reason = "The database's schema is not the one this server needs.";
  } catch (const Unavailable&) {
    current = false;
  }
  if (!current) {
    co_return Error{ErrorCode::unavailable, reason};
  }
  co_return http::json_response(200, boost::json::object{{"status", "ready"}});
}

void add_pages(http::Router& router, App& app, const http::ApiDocument& document) {
  using http::Access;
  using http::BodyKind;
  const auto page = [](std::string type, std::string text) {
    return [type = std::move(type),
            text = std::move(text)](http::Request&) -> asio::awaitable<Result<http::Response>> {
      http::Response response;
      response.headers.emplace_back("Content-Type", type);
      response.headers.emplace_back("Content-Security-Policy",
                                    "default-src 'none'; style-src 'unsafe-inline'");
      response.body = text;
      co_return response;
    };
  };
  router.add({"GET", "/", "", Access::anyone, BodyKind::none,
              page("text/html; charset=utf-8", std::string{embedded_file("web/index.html")})});
  router.add({"GET", "/openapi.json", "", Access::anyone, BodyKind::none,
              page("application/json", document.text())});
  router.add({"GET", "/healthz", "getHealth", Access::anyone, BodyKind::none,
              [](http::Request&) -> asio::awaitable<Result<http::Response>> {
                co_return http::json_response(
                    200, boost::json::object{{"status", "alive"}, {"version", build_version()}});
              }});
  router.add({"GET", "/readyz", "getReadiness", Access::anyone, BodyKind::none,
              [&app](http::Request&) { return readiness(app); }});
}

}  // namespace

energy::GridIntensity grid_intensity(const Config& config) {
  if (config.grid_grams_per_kwh) {
    return {*config.grid_grams_per_kwh, "configured"};
  }
  const auto built_in = energy::built_in_intensity(config.grid_country);
  if (!built_in) {
    throw std::runtime_error(
        fmt::format("INFERNODE_GRID_COUNTRY={}: there is no built-in figure for it; set "
                    "INFERNODE_GRID_GRAMS_PER_KWH to your own",
                    config.grid_country));
  }
  return *built_in;
}

App::App(const Config& settings, const std::string& conninfo,
         std::vector<db::Migration> known_migrations)
    : config{settings},
      migrations{std::move(known_migrations)},
      pool{context.get_executor(), conninfo, settings.db_pool_size},
      listen_conninfo{conninfo},
      models{inference::load_catalogue(inference::model_folder(settings.model_dir))},
      grid{grid_intensity(settings)},
      blobs{pool},
      audit_repository{pool},
      idempotency_repository{pool},
      user_repository{pool},
      ledger_repository{pool},
      dataset_repository{pool},
      video_repository{pool},
      job_repository{pool},
      result_repository{pool},
      audit{audit_repository},
      idempotency{idempotency_repository},
      throttle{
          pool,
          ThrottleSettings{settings.login_failures_per_account, settings.login_failures_per_address,
                           settings.registrations_per_address, settings.login_window_seconds}},
      credits{ledger_repository, audit,
              PriceList{settings.price_upload_frame, settings.price_inference_image}},
      datasets{dataset_repository, audit,
               [this](db::Connection& transaction, DatasetId dataset) {
                 return jobs.abort_all(transaction, dataset);
               }},
      prober{context.get_executor()},
      videos{video_repository, datasets, credits, blobs, make_prober(prober, blobs)},
      jobs{job_repository, videos, credits, models, settings.max_open_jobs},
      queue{job_repository, credits, blobs, settings.lease_seconds},
      results{result_repository, jobs, blobs} {
  if (models.empty()) {
    log::warn("there is no model in {}, so no job can be accepted; './run' installs one",
              inference::model_folder(settings.model_dir).string());
  }
}

App::~App() {
  pool.close();
  blocking.join();
}

void App::add_workers(int count) {
  boost::system::error_code ignored;
  const std::string host = asio::ip::host_name(ignored);
  for (int i = 0; i < count; ++i) {
    WorkerSettings settings;
    settings.name = fmt::format("{}:{}:{}", host, getpid(), i + 1);
    settings.model_folder = inference::model_folder(config.model_dir).string();
    settings.threads = config.worker_threads;
    settings.watts_per_core = config.watts_per_core;
    settings.grid = grid;
    const WorkerRooms rooms{queue, videos, results, blobs, models};
    workers.push_back(std::make_unique<Worker>(context.get_executor(), rooms, settings));
    ++running_workers;
    asio::co_spawn(context, workers.back()->run(), [this](const std::exception_ptr& error) {
      --running_workers;
      if (error) {
        log::error("a worker ended; restart this process");
      }
    });
  }
  if (count > 0) {
    asio::co_spawn(context,
                   db::listen(listen_conninfo, {"infernode_work"},
                              [this](const db::Notification&) {
                                for (auto& worker : workers) {
                                  worker->wake();
                                }
                              }),
                   [](const std::exception_ptr&) {});
  }
}

void App::stop_workers() {
  for (auto& worker : workers) {
    worker->stop();
  }
}

Edge::Edge(App& app, const std::filesystem::path& keys_dir)
    : signer{load_keys(keys_dir, std::chrono::seconds{app.config.jwt_ttl_seconds})},
      hasher{app.blocking, app.config.bcrypt_cost, app.config.hash_queue},
      accounts{app.user_repository, signer,    hasher,
               app.throttle,        app.audit, app.config.jwt_ttl_seconds},
      document{embedded_file("api/openapi.yaml")},
      router{document, make_authenticator(accounts)} {
  add_account_routes(router, accounts, signer);
  add_audit_routes(router, app.audit);
  add_credit_routes(router, app.credits, app.idempotency);
  add_dataset_routes(router, app.datasets, app.idempotency);
  add_video_routes(router, app.videos, app.idempotency, app.config.upload_max_bytes);
  add_job_routes(router, app.jobs, app.idempotency, document.schema("DetectParams"));
  add_result_routes(router, app.results);
  add_pages(router, app, document);
}

asio::awaitable<void> sweep(App& app) {
  asio::steady_timer timer{app.context};
  for (;;) {
    try {
      const std::int64_t blobs = co_await app.blobs.sweep();
      if (blobs > 0) {
        log::info("{} expired blobs were swept", blobs);
      }
      const std::int64_t keys = co_await app.idempotency.sweep();
      if (keys > 0) {
        log::info("{} expired idempotency keys were swept", keys);
      }
      co_await app.throttle.sweep();
    } catch (const std::exception& error) {
      log::warn("sweeping: {}", error.what());
    }
    timer.expires_after(std::chrono::seconds{app.config.sweep_seconds});
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> reload_keys(App& app, Edge& edge) {
  asio::steady_timer timer{app.context};
  for (;;) {
    timer.expires_after(kKeyPublishedBefore / 3);
    co_await timer.async_wait(asio::use_awaitable);
    try {
      auto loading = [folder = app.config.keys_dir,
                      life = std::chrono::seconds{app.config.jwt_ttl_seconds}] {
        return load_keys(folder, life);
      };
      auto ring = co_await run_blocking(app.blocking, std::move(loading));
      edge.signer.replace_keys(std::move(ring));
    } catch (const std::exception& error) {
      log::warn("the keys were left as they are: {}", error.what());
    }
  }
}

}  // namespace infernode::cli
