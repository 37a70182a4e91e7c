// What it takes to assemble a job's result, by the number of its segments.
//
// Jobs of 1,000, 10,000 and 100,000 finished segments are made by statements (an image of 10 bytes
// and a line of JSON each), then assembled by the service code over its pool, as a worker does it.
// Printed are the seconds, the time per segment, and how much the process's peak memory grew. A
// hash of the ZIP's directory shows that the work was done.
//
// Not measured: what the segments themselves cost, and reading the result. PostgreSQL runs without
// fsync, so the figures are processing, not the disk.
//
// Usage: bench_assembly [SEGMENTS ...]
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "core/process.hpp"
#include "measure.hpp"
#include "testing/services.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Finished segments of one frame each, as a worker would have left them.
test::MadeJob make_finished(test::Services& services, int segments) {
  const auto user = services.make_user("1000000");
  const auto dataset = services.make_dataset(user, "bench");
  const auto video = services.make_video(dataset, segments);
  test::MadeJob made{user, dataset, video, JobId::random()};
  services.database.sql(fmt::format(
      R"(INSERT INTO "InferenceJobs" (id, dataset_id, user_id, video_id, params, images, done, price, cost)
           VALUES ('{0}', '{1}', '{2}', '{3}', '{{"pipeline":"detect","model":"centernet"}}', {4}, {4},
                   0.002, 0.002 * {4});
         UPDATE "InferenceJobs" SET status = 'RUNNING', started_at = now() WHERE id = '{0}';
         INSERT INTO "Holds" (job_id, user_id, held, settled) VALUES ('{0}', '{2}', 0.002 * {4}, 0.002 * {4});
         CREATE TEMP TABLE made AS SELECT n, gen_random_uuid() AS images, gen_random_uuid() AS frames,
             gen_random_uuid() AS images_chunk, gen_random_uuid() AS frames_chunk
           FROM generate_series(0, {4} - 1) AS n;
         INSERT INTO "Blobs" (id, size) SELECT images, 50 FROM made UNION ALL SELECT frames, 20 FROM made;
         INSERT INTO "BlobParts" SELECT images, 0, 50, images_chunk FROM made
           UNION ALL SELECT frames, 0, 20, frames_chunk FROM made;
         INSERT INTO "Chunks" SELECT images_chunk, decode(repeat('00', 50), 'hex') FROM made
           UNION ALL SELECT frames_chunk, decode(repeat('20', 20), 'hex') FROM made;
         INSERT INTO "Segments" (job_id, position, kind, start_frame, end_frame, images, state, processed,
             outcome, images_blob, images_size, frames_blob, frames_size, zip_index)
           SELECT '{0}', n, 'FRAMES', n, n + 1, 1, 'DONE', 1,
                  '{{"joules":1,"grams":0.1,"grid_source":"g","grid_g_per_kwh":475,"tally":{{"a":1}},"models":[],"energy_method":"m"}}',
                  images, 50, frames, 20,
                  int4send(n) || int8send(0) || int4send(10) || int4send(0) FROM made;
         INSERT INTO "Segments" (job_id, position, kind, state) VALUES ('{0}', {4}, 'ASSEMBLY', 'PENDING');
         DROP TABLE made)",
      made.job.to_string(), dataset.to_string(), user.to_string(), video.to_string(), segments));
  services.database.sql("ANALYZE");
  return made;
}

struct Measured {
  double seconds = 0;
  long grown_kib = 0;
};

Measured measure(int segments) {
  test::Services services;
  const auto made = make_finished(services, segments);
  const auto claimed = services.claim();
  if (!claimed || claimed->kind != SegmentKind::assembly) {
    throw std::runtime_error("there is nothing to assemble");
  }
  const long before = peak_kib();
  const auto began = std::chrono::steady_clock::now();
  services.assemble(*claimed);
  Measured measured{std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
                    peak_kib() - before};
  if (services.find(made).status != JobStatus::completed) {
    throw std::runtime_error("the job did not complete");
  }
  // What reading costs afterwards, in the same run.
  const auto read = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    services.find(made);
  }
  const double find_ms =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - read).count() * 10;
  const auto image = std::chrono::steady_clock::now();
  services.database.run([&]() -> asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      const auto found =
          co_await services.results.image(made.user, made.job, (i * 7919) % segments);
      if (!found) {
        throw std::runtime_error("an image is missing");
      }
    }
  });
  const double image_ms =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - image).count() * 10;
  fmt::print(
      "{:7} segments: {:8.2f} s, {:.3f} ms a segment, peak memory grew by {} KiB; GET job {:.2f} "
      "ms, "
      "one image {:.2f} ms\n",
      segments, measured.seconds, measured.seconds * 1000 / segments, measured.grown_kib, find_ms,
      image_ms);
  std::fflush(stdout);
  return measured;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<int> counts;
    for (int i = 1; i < argc; ++i) {
      counts.push_back(std::max(1, std::atoi(argv[i])));
    }
    if (counts.empty()) {
      counts = {1'000, 10'000, 100'000};
    }
    fmt::print("assembly of made-up segments, fsync off;{}", bench::processor());
    std::vector<double> per_segment;
    for (const int count : counts) {
      per_segment.push_back(measure(count).seconds / count);
    }
    const auto [least, most] = std::minmax_element(per_segment.begin(), per_segment.end());
    fmt::print("ratio={:.2f} (slowest to fastest time per segment)\n", *most / *least);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_assembly: {}\n", error.what());
    return 1;
  }
}
