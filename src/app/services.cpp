// What goes on behind the requests, each under its name (see Supervisor).
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "app/app.hpp"
#include "core/blocking.hpp"
#include "core/disk.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "db/listener.hpp"
#include "db/pulse.hpp"
#include "jobs/queue_document.hpp"

namespace infernode::app {
namespace {

constexpr std::chrono::seconds kRoomInterval{5};
constexpr std::chrono::seconds kResumeInterval{2};
constexpr std::chrono::seconds kModelsInterval{30};
constexpr std::chrono::seconds kQueueInterval{1};

asio::awaitable<void> sweep_blobs(App& app) {
  const std::int64_t blobs = co_await app.blobs.sweep();
  if (blobs > 0) {
    log::info("{} expired blobs were swept", blobs);
  }
}

asio::awaitable<void> sweep_keys(App& app) {
  const std::int64_t keys = co_await app.idempotency.sweep();
  if (keys > 0) {
    log::info("{} expired idempotency keys were swept", keys);
  }
}

asio::awaitable<void> sweep_uploads(App& app) {
  const std::int64_t uploads = co_await app.uploads.sweep();
  if (uploads > 0) {
    log::info("{} expired uploads were forgotten", uploads);
  }
}

// Begins anew after a fault (see Supervisor).
asio::awaitable<void> tend_queue(App& app) {
  const auto began = std::chrono::steady_clock::now();
  asio::steady_timer timer{app.context};
  for (;;) {
    // Where PostgreSQL was away, everybody was silent, and nobody has given a sign of life yet.
    const bool calm = seconds_since(began) > app.config.lease_seconds;
    const auto tended = co_await app.segments.tend_queue(app.worker_offers(), calm);
    if (tended.retry_is_due) {
      app.wake_workers();
    }
    timer.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(tended.next));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> sweep_segments(App& app) {
  const std::int64_t segments = co_await app.clearing.delete_segments();
  if (segments > 0) {
    log::info("{} segments of ended jobs were swept", segments);
  }
}

// The folder of a database on this machine. nullopt: it is elsewhere, or does not say.
asio::awaitable<std::optional<std::filesystem::path>> database_folder(App& app) {
  const auto& host = app.config.db_host;
  const bool here = !host || host->starts_with('/') || *host == "localhost" ||
                    *host == "127.0.0.1" || *host == "::1";
  if (!here || app.config.disk_floor == 0) {
    co_return std::nullopt;
  }
  const auto folder = co_await app.chunks.folder();
  co_return folder ? std::optional<std::filesystem::path>{*folder} : std::nullopt;
}

// Whether too little is left.
asio::awaitable<bool> look_at_disk(App& app) {
  const auto folder = co_await database_folder(app);
  if (!folder) {
    co_return false;
  }
  auto asking = [path = *folder] { return free_disk_bytes(path); };
  const auto free = co_await run_blocking(app.blocking, std::move(asking));
  const bool low = free && *free < app.config.disk_floor;
  if (low && !app.blobs.disk_full()) {
    log::error(
        "{} bytes are left on the database's disk, less than INFERNODE_DISK_FLOOR_BYTES: "
        "nothing is taken in, and jobs wait",
        *free);
  }
  app.blobs.set_low_disk(low ? std::optional<std::string>{"The database's disk is nearly full."}
                             : std::nullopt);
  co_return low;
}

asio::awaitable<void> watch_room(App& app) {
  const bool was_full = app.blobs.disk_full().has_value();
  const bool low = co_await look_at_disk(app);
  if (!was_full || low) {
    co_return;
  }
  co_await app.blobs.try_room();
  log::info("the database's disk has room again");
  app.wake_workers();
}

// One look for all who follow it. Counting a long queue takes a while: a tenth of the time at most.
asio::awaitable<void> tell_queue(App& app) {
  if (!app.events.queue_is_followed()) {
    co_return;
  }
  const auto began = std::chrono::steady_clock::now();
  std::exception_ptr fault;
  try {
    const auto queue = co_await app.segments.look_at_queue();
    app.events.tell_queue(json_text(queue_json(queue)));
  } catch (const std::exception&) {
    fault = std::current_exception();  // the pause comes first
  }
  asio::steady_timer timer{app.context};
  timer.expires_after(10 * (std::chrono::steady_clock::now() - began));
  co_await timer.async_wait(asio::use_awaitable);
  if (fault) {
    std::rethrow_exception(fault);
  }
}

asio::awaitable<void> reload_keys(App& app, Api& api) {
  auto loading = [folder = app.config.keys_dir,
                  life = std::chrono::seconds{app.config.jwt_ttl_seconds}] {
    return load_keys(folder, life);
  };
  auto ring = co_await run_blocking(app.blocking, std::move(loading));
  api.signer.replace_keys(std::move(ring));
}

// Models are added and removed by any process; should a notice be lost, it is noticed all the same.
asio::awaitable<void> follow_models(App& app) {
  for (;;) {
    app.models_changed = false;
    co_await app.installed.read();
    if (!app.workers.empty()) {
      co_await app.installed.fetch();
    }
    if (!app.models_changed) {
      app.next_refresh.expires_after(kModelsInterval);
      boost::system::error_code changed;
      co_await app.next_refresh.async_wait(asio::redirect_error(asio::use_awaitable, changed));
    }
  }
}

}  // namespace

void start_services(App& app) {
  auto& supervisor = app.supervisor;
  const std::chrono::seconds sweeping{app.config.sweep_seconds};
  supervisor.keep("the database's pulse", [&app] {
    auto pools = app.events.pools();
    pools.insert(pools.end(), {&app.database, &app.bulk, &app.writing});
    return db::watch_pulse(app.conninfo, std::move(pools));
  });
  supervisor.keep("models", [&app] { return follow_models(app); });
  supervisor.keep("listening for models", [&app] {
    return db::listen(app.conninfo, {"infernode_models"}, [&app](const db::Notification&) {
      // Known at once, also while files of others are being brought.
      asio::co_spawn(app.context, app.reread_models(), asio::detached);
    });
  });
  supervisor.keep("telling others of events", [&app] { return app.events.announce(); });
  supervisor.repeat("sweeping events", sweeping, [&app]() -> asio::awaitable<void> {
    co_await app.events.sweep(app.config.event_keep_seconds);
  });
  supervisor.keep("the queue", [&app] { return tend_queue(app); });
  supervisor.repeat("freeing what ended jobs stored", std::chrono::seconds{1},
                    [&app]() -> asio::awaitable<void> { co_await app.clearing.free_outputs(); });
  supervisor.repeat("sweeping blobs", sweeping, [&app] { return sweep_blobs(app); });
  supervisor.repeat("sweeping idempotency keys", sweeping, [&app] { return sweep_keys(app); });
  supervisor.repeat("sweeping counts of logins", sweeping,
                    [&app]() -> asio::awaitable<void> { co_await app.throttle.sweep(); });
  supervisor.repeat("sweeping sessions and links", sweeping,
                    [&app]() -> asio::awaitable<void> { co_await app.credentials.sweep(); });
  supervisor.repeat("going on with uploads", kResumeInterval,
                    [&app]() -> asio::awaitable<void> { co_await app.uploads.resume(); });
  supervisor.repeat("sweeping uploads", sweeping, [&app] { return sweep_uploads(app); });
  supervisor.repeat("sweeping segments", sweeping, [&app] { return sweep_segments(app); });
  supervisor.repeat("adding up what users store", sweeping,
                    [&app]() -> asio::awaitable<void> { co_await app.storage.fold(); });
  supervisor.repeat("adding up what users used", sweeping,
                    [&app]() -> asio::awaitable<void> { co_await app.usage.fold(); });
  supervisor.repeat("emptying purged datasets", std::chrono::seconds{1},
                    [&app]() -> asio::awaitable<void> { co_await app.videos.purge(); });
  supervisor.repeat("sweeping tags", std::chrono::hours{1},
                    [&app]() -> asio::awaitable<void> { co_await app.datasets.sweep_tags(); });
  supervisor.repeat("sweeping workers", sweeping,
                    [&app]() -> asio::awaitable<void> { co_await app.segments.sweep_workers(); });
  supervisor.repeat("room on the disk", kRoomInterval, [&app] { return watch_room(app); });
}

void start_server_services(App& app, Api& api) {
  // By servers alone: they are the ones that accept jobs with this limit.
  app.supervisor.repeat(
      "limits of who waits", std::chrono::seconds{app.config.sweep_seconds},
      [&app]() -> asio::awaitable<void> {
        co_await app.segments.set_usual_limit(job_limits(app.config).running_segments);
      });
  app.supervisor.repeat("the queue for administrators", kQueueInterval,
                        [&app] { return tell_queue(app); });
  app.supervisor.keep("webhooks", [&app] { return app.webhooks.deliver(); });
  app.supervisor.keep("events", [&app] { return app.events.follow(); });
  app.supervisor.keep("progress of jobs", [&app] { return app.events.follow_progress(); });
  app.supervisor.keep("listening for events", [&app] {
    return db::listen(app.conninfo, {EventHub::kChannel},
                      [&app](const db::Notification& told) { app.events.hear(told); });
  });
  app.supervisor.keep("the loop's lag", [&app] { return watch_loop(app.metrics); });
  app.supervisor.repeat("the keys were left as they are", kKeyPublishedBefore / 3,
                        [&app, &api] { return reload_keys(app, api); });
}

}  // namespace infernode::app
