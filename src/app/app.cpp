#include "app/app.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <limits>
#include <thread>

#include "accounts/account_controller.hpp"
#include "audit/audit_controller.hpp"
#include "core/embedded.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "credits/credit_controller.hpp"
#include "datasets/dataset_controller.hpp"
#include "db/listener.hpp"
#include "events/event_controller.hpp"
#include "http/client.hpp"
#include "idempotency/once_routes.hpp"
#include "inference/onnx_session.hpp"
#include "jobs/job_controller.hpp"
#include "jobs/job_document.hpp"
#include "jobs/queue_controller.hpp"
#include "models/model_controller.hpp"
#include "results/result_controller.hpp"
#include "runner/host/model_tester.hpp"
#include "usage/usage_controller.hpp"
#include "videos/uploads/upload_controller.hpp"
#include "videos/video_controller.hpp"
#include "webhooks/webhook_controller.hpp"

namespace infernode::app {
namespace {

constexpr std::chrono::minutes kKeepInterval{2};
// Of models, that run or wait.
constexpr int kMaxTrials = 4;

// Looking into a large file takes a while, and the upload must not expire meanwhile.
runner::SourceReader keeping_reader(BlobStore& blobs, BlobId file) {
  const auto kept_at = std::make_shared<std::chrono::steady_clock::time_point>();
  return [&blobs, file, kept_at](std::uint32_t /*source*/, std::int64_t offset,
                                 std::size_t max_bytes) -> asio::awaitable<std::vector<std::byte>> {
    const auto now = std::chrono::steady_clock::now();
    if (now - *kept_at > kKeepInterval) {
      *kept_at = now;
      co_await blobs.keep(file);
    }
    co_return co_await blobs.read(file, offset, max_bytes);
  };
}

Prober make_prober(runner::VideoProber& prober, BlobStore& blobs) {
  return [&prober, &blobs](UserId user, BlobId file, std::int64_t size,
                           std::shared_ptr<Cancellation> cancel) {
    return prober.probe(user.to_string(), size, keeping_reader(blobs, file), std::move(cancel));
  };
}

Unpacker make_unpacker(runner::ZipUnpacker& unpacker, BlobStore& blobs, std::int64_t most_bytes) {
  return [&unpacker, &blobs, most_bytes](UserId user, BlobId file, std::int64_t size,
                                         std::shared_ptr<media::PackedFileSink> sink,
                                         std::shared_ptr<Cancellation> cancel) {
    return unpacker.unpack(user.to_string(), size, most_bytes, keeping_reader(blobs, file),
                           std::move(sink), std::move(cancel));
  };
}

DescribeJob describe_job(JobService& jobs) {
  return [&jobs](JobId id) -> asio::awaitable<std::optional<std::string>> {
    const auto job = co_await jobs.find_any(id);
    co_return job ? std::optional{json_text(job_json(*job))} : std::nullopt;
  };
}

SendWebhook webhook_sender(http::Outgoing& outgoing) {
  return [&outgoing](WebhookCall call) -> asio::awaitable<Sent> {
    const auto url = outgoing.parse(call.url);
    if (!url) {
      co_return Sent{std::nullopt, "The URL " + url.error().detail};
    }
    std::map<std::string, std::string> headers{{"X-InferNode-Delivery", call.id.to_string()},
                                               {"X-InferNode-Signature", call.signature}};
    Sent sent;
    try {
      sent.answer = co_await outgoing.post(call.user.to_string(), *url, std::move(headers),
                                           std::move(call.body), kWebhookPatience);
    } catch (const http::ClientError& error) {
      sent.error = error.what();
      co_return sent;
    }
    if (*sent.answer / 100 == 3) {
      sent.error = fmt::format("answered {}; redirects are not followed", *sent.answer);
    } else if (*sent.answer / 100 != 2) {
      sent.error = fmt::format("answered {}", *sent.answer);
    }
    co_return sent;
  };
}

// More of what is written does not come in while it waits.
constexpr std::chrono::seconds kWritingPatience{60};

// How a process uses its connections, three of them at least. To write contents more at once than
// every second core can would only make those wait who ask for something small.
struct Connections {
  explicit Connections(int all)
      : writing{std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 1,
                           std::max(1, all / 5))},
        reading{std::max(1, all / 3 - 1)},
        main{all - reading - writing} {}

  int writing;
  int reading;
  int main;
};

int session_seconds(const Config& config) {
  return static_cast<int>(
      std::min<std::int64_t>(config.jwt_ttl_seconds, std::numeric_limits<int>::max()));
}

ThrottleSettings throttle_settings(const Config& config) {
  return {config.login_failures_per_account, config.login_failures_per_address,
          config.registrations_per_address, config.login_window_seconds};
}

}  // namespace

TryModel make_model_trial(asio::any_io_executor executor, BlobStore& blobs) {
  // One at a time: a trial may take gigabytes. The last in the line has its turn before its file,
  // which nobody keeps until then, expires.
  const auto slots = std::make_shared<FairSlots>(executor, 1, 1);
  const auto line = std::make_shared<int>(0);
  return [executor, slots, line,
          &blobs](StoredTrial trial) -> asio::awaitable<Result<boost::json::array>> {
    if (*line == kMaxTrials) {
      throw Unavailable("other models are being tried; try again in a few minutes");
    }
    ++*line;
    const auto leave = [](int* place) { --*place; };
    const std::unique_ptr<int, decltype(leave)> place{line.get(), leave};
    auto never = std::make_shared<Cancellation>();
    const auto slot = co_await slots->acquire("", std::move(never));
    const auto picture = std::make_shared<const std::vector<std::byte>>(std::move(trial.picture));
    const auto kept_at = std::make_shared<std::chrono::steady_clock::time_point>();
    runner::SourceReader read = [&blobs, picture, kept_at, file = trial.file](
                                    std::uint32_t source, std::int64_t offset,
                                    std::size_t most) -> asio::awaitable<std::vector<std::byte>> {
      if (source == 1) {
        const auto from = std::min(static_cast<std::size_t>(offset), picture->size());
        const auto to = std::min(from + most, picture->size());
        co_return std::vector<std::byte>(picture->begin() + static_cast<std::ptrdiff_t>(from),
                                         picture->begin() + static_cast<std::ptrdiff_t>(to));
      }
      const auto now = std::chrono::steady_clock::now();
      if (now - *kept_at > kKeepInterval) {
        *kept_at = now;
        co_await blobs.keep(file);
      }
      auto bytes = co_await blobs.read(file, offset, most);
      if (bytes.empty()) {
        throw BlobExpired("the model's file is gone");  // a runner asks for what there should be
      }
      co_return bytes;
    };
    runner::ModelTrial task{std::move(trial.manifest), trial.file_bytes,
                            static_cast<std::int64_t>(picture->size()), trial.confidence};
    const auto limits = runner::trial_limits(task);
    auto found = co_await runner::try_model(executor, std::move(task), limits, std::move(read));
    if (!found) {
      co_return found.error();
    }
    co_return std::move(found->objects);
  };
}

JobLimits job_limits(const Config& config) {
  JobLimits limits{.open_jobs = config.max_open_jobs};
  limits.refuse_missing_device = config.missing_device == "refuse";
  if (config.max_running_segments > 0) {
    limits.running_segments = config.max_running_segments;
  }
  return limits;
}

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

App::App(const Config& settings, const std::string& database_conninfo,
         std::vector<db::Migration> known_migrations)
    : config{settings},
      migrations{std::move(known_migrations)},
      conninfo{database_conninfo},
      supervisor{context},
      database{context.get_executor(), conninfo, Connections{settings.db_pool_size}.main},
      bulk{context.get_executor(), conninfo, Connections{settings.db_pool_size}.reading},
      writing{context.get_executor(), conninfo, Connections{settings.db_pool_size}.writing,
              kWritingPatience},
      events{context.get_executor(), conninfo},
      shipped{inference::load_catalogue(inference::model_folder(settings.model_dir),
                                        inference::Hashes::yes, settings.default_models)},
      models{shipped},
      grid{grid_intensity(settings)},
      chunks{bulk, writing},
      blobs{bulk, chunks},
      storage{writing, {settings.storage_quota, settings.uploads_at_once}},
      audit{database},
      idempotency{database},
      throttle{database, throttle_settings(settings)},
      credentials{database, session_seconds(settings)},
      credits{database, audit,
              PriceList{settings.price_upload_frame, settings.price_inference_image}},
      usage{database},
      datasets{database, audit,
               [this](db::Transaction& transaction, DatasetId dataset) {
                 return jobs.abort_all(transaction, dataset);
               }},
      prober{context.get_executor()},
      unpacker{context.get_executor()},
      ingest{datasets,
             credits,
             blobs,
             storage,
             make_prober(prober, blobs),
             make_unpacker(unpacker, blobs, config.upload_max_bytes)},
      uploads{context.get_executor(), database, ingest},
      videos{database, datasets, blobs,
             [this](VideoId video) { return clearing.delete_segments_of(video); }},
      jobs{database,
           videos,
           credits,
           storage,
           pipelines,
           models,
           job_limits(settings),
           [this](JobId job) { return clearing.clear(job); }},
      clearing{database, blobs, settings.segment_keep_seconds},
      outgoing{context.get_executor(), settings.webhook_networks},
      webhooks{context.get_executor(), database, describe_job(jobs), webhook_sender(outgoing)},
      segments{database, credits, blobs, settings.lease_seconds},
      results{database, jobs, blobs},
      assembler{segments, results, blobs, pipelines},
      next_refresh{context},
      model_service{database, blobs, audit, shipped,
                    make_model_trial(context.get_executor(), blobs)},
      model_cache{blobs, blocking, settings.data_dir / "model-cache", settings.disk_floor},
      installed{model_service,           model_cache, shipped,
                settings.default_models, models,      [this] { wake_workers(); }} {
  for (auto* pool : {&database, &bulk, &writing}) {
    pool->on_notices(EventHub::kNoticeState,
                     [this](std::vector<std::string> users) { events.logged(std::move(users)); });
  }
  database.on_wait([this](double seconds) { metrics.add_pool_wait(seconds); });
  if (models.empty()) {
    log::warn("there is no model in {}, so no job can be accepted; './run' installs one",
              inference::model_folder(settings.model_dir).string());
  }
}

App::~App() {
  database.close();
  bulk.close();
  writing.close();
  blocking.join();
}

void App::add_workers(int count) {
  if (count == 0) {
    return;
  }
  boost::system::error_code ignored;
  const std::string host = asio::ip::host_name(ignored);
  WorkerSettings worker;
  worker.info.host = host;
  worker.info.version = std::string{build_version()};
  worker.info.devices = inference::usable_devices();
  for (const auto& pipeline : pipelines.all()) {
    worker.info.pipelines.push_back(pipeline->name());
  }
  worker.threads = config.worker_threads;
  worker.energy = EnergySettings{config.watts_per_core, grid};
  if (worker.info.devices != std::vector<std::string>{"cpu"}) {
    worker.energy.cards = std::make_shared<const energy::GraphicsCards>();
  }
  for (int i = 0; i < count; ++i) {
    worker.info.id = WorkerId::random();
    worker.info.name = fmt::format("{}:{}:{}", host, getpid(), i + 1);
    const WorkerServices services{segments, assembler, blobs, pipelines, models};
    workers.push_back(std::make_unique<Worker>(context.get_executor(), services, worker));
    ++running_workers;
    supervisor.require(worker.info.name,
                       [this, own = workers.back().get()]() -> asio::awaitable<void> {
                         co_await own->run();
                         --running_workers;
                       });
  }
  supervisor.keep("listening for work", [this] {
    std::vector<std::string> signs;
    for (const auto& each : workers) {
      signs.push_back(SegmentService::sign_of_life(each->id()));
    }
    return db::listen(
        conninfo, {"infernode_work"}, [this](const db::Notification&) { wake_workers(); },
        std::move(signs));
  });
}

void App::wake_workers() {
  for (auto& worker : workers) {
    worker->wake();
  }
}

std::vector<std::string> App::worker_offers() const {
  return workers.empty() ? std::vector<std::string>{} : workers.front()->offers();
}

asio::awaitable<void> App::reread_models() {
  models_changed = true;
  next_refresh.cancel();
  try {
    co_await installed.read();
  } catch (const std::exception& error) {
    log::warn("models are read again in a moment: {}", error.what());
  }
}

void App::stop_workers() {
  for (auto& worker : workers) {
    worker->stop();
  }
}

Api::Api(App& app, const std::filesystem::path& keys_dir)
    : signer{load_keys(keys_dir, std::chrono::seconds{app.config.jwt_ttl_seconds})},
      hasher{app.config.bcrypt_cost, app.config.hash_queue},
      accounts{
          app.database,
          signer,
          hasher,
          app.throttle,
          app.credentials,
          app.blocking,
          {app.config.jwt_ttl_seconds, app.config.registration_open(), app.config.storage_quota}},
      administration{app.database, app.audit, app.credentials},
      document{"api/openapi.yaml"},
      router{document,
             make_authenticator(accounts),
             {app.config.cors_origins, app.config.rate_limit_per_user,
              app.config.rate_limit_per_address}} {
  OnceRoutes once{router, app.idempotency};
  add_account_routes(once, accounts, administration, signer);
  add_credential_routes(once, app.credentials);
  add_audit_routes(router, app.audit);
  add_credit_routes(once, app.credits);
  add_dataset_routes(once, app.datasets);
  const UploadLimits upload_limits{app.config.upload_max_bytes,
                                   std::chrono::seconds{app.config.upload_wait_seconds}};
  add_video_routes(once, app.videos, app.uploads, upload_limits);
  add_upload_routes(router, app.uploads, app.idempotency, upload_limits);
  add_job_routes(once, app.jobs, app.outgoing,
                 [&app] { return app.pipelines.to_json(app.models); });
  add_queue_routes(router, app.segments);
  add_model_routes(
      router, app.model_service, app.blobs, app.models, [&app] { return app.reread_models(); },
      [&app]() -> asio::awaitable<ModelDevices> {
        ModelDevices devices;
        devices.all = co_await app.jobs.devices();
        devices.of_model = co_await app.jobs.model_devices();
        co_return devices;
      });
  add_result_routes(router, app.results);
  add_usage_routes(router, app.usage);
  add_webhook_routes(once, app.webhooks);
  add_event_routes(router, app.events, make_authenticator(accounts), app.config.cors_origins,
                   [&app](UserId user, JobId job) -> asio::awaitable<Result<void>> {
                     const auto found = co_await app.jobs.find(user, job);
                     co_return found ? Result<void>{} : Result<void>{found.error()};
                   });
  add_pages(router, app, document);
}

}  // namespace infernode::app
