// What the dashboard feels like to somebody with much in it.
//
// The real server with 500 datasets, 10,000 jobs over a year and a result of 100,000 frames with 20
// objects each (made by statements; its video and its first frames are real). bench/web.mjs then
// walks through the pages in Chromium: the longest interaction to the next paint on each page
// (Event Timing API; typing, choosing, clicking, keys), how much of long lists was empty while they
// scrolled, what the tab holds in memory; and the first load on a throttled line and processor
// (1.6 Mbit/s, 150 ms, processor slowed down by 4): requests, bytes, seconds until it can be used.
//
// Usage: bench_web
#include <fmt/format.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>

#include "core/json.hpp"
#include "measure.hpp"
#include "testing/ffmpeg.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace json = boost::json;

constexpr int kFrames = 100'000;

void make_datasets_and_jobs(const test::TestServer& server, const test::TestUser& user,
                            const std::string& video) {
  server.sql(fmt::format(
      R"sql(INSERT INTO "Datasets" (user_id, name, tags)
              SELECT '{0}', 'dataset ' || n, ARRAY['tag ' || n % 20, 'all'] FROM generate_series(1, 499) AS n;
            INSERT INTO "InferenceJobs" (dataset_id, user_id, video_id, params, images, done, price, cost,
                                         energy_joules, carbon_grams, created_at)
              SELECT (SELECT dataset_id FROM "Videos" WHERE id = '{1}'), '{0}', '{1}',
                     json_build_object('pipeline', (ARRAY['detect', 'faces', 'pose', 'text'])[1 + n % 4],
                                       'model', 'centernet'),
                     120, 120, 0.002, 0.24, 15, 0.002, now() - n * interval '50 minutes'
                FROM generate_series(1, 10000) AS n;
            UPDATE "InferenceJobs" SET status = 'RUNNING', started_at = created_at WHERE status = 'PENDING';
            UPDATE "InferenceJobs" SET status = 'COMPLETED', finished_at = created_at + interval '3 s'
             WHERE status = 'RUNNING';
            ANALYZE)sql",
      user.id(), video));
}

// The job's result becomes one of all frames, with 20 objects in each that move about.
void enlarge(const test::TestServer& server, const std::string& job) {
  server.sql(fmt::format(
      R"sql(CREATE TEMP TABLE pieces AS
              SELECT piece, gen_random_uuid() AS chunk, convert_to(string_agg(line, '' ORDER BY frame), 'UTF8') AS bytes
                FROM (SELECT frame / 100 AS piece, frame,
                             ',{{"frame":' || frame || ',"time":' || frame / 30.0 || ',"objects":[' || (
                               SELECT string_agg(format('{{"label":"%s","confidence":%s,"box":[%s,%s,24.5,60.25],"track_id":%s}}',
                                                        (ARRAY['person', 'car', 'bicycle'])[1 + n % 3],
                                                        round((0.3 + (frame * 7 + n * 13) % 70 / 100.0)::numeric, 2),
                                                        (frame + n * 31) % 290, (frame / 3 + n * 17) % 120,
                                                        1 + n + 20 * (frame / 300)), ',')
                                 FROM generate_series(0, 19) AS n) || ']}}' || E'\n' AS line
                        FROM generate_series(0, {1} - 1) AS frame) AS lines
               GROUP BY piece;
            CREATE TEMP TABLE made AS SELECT gen_random_uuid() AS blob;
            INSERT INTO "Chunks" (id, bytes) SELECT chunk, bytes FROM pieces;
            INSERT INTO "Blobs" (id, size) SELECT blob, (SELECT sum(length(bytes)) FROM pieces) FROM made;
            INSERT INTO "BlobParts" (blob_id, start, size, chunk)
              SELECT blob, sum(length(bytes)) OVER (ORDER BY piece) - length(bytes), length(bytes), chunk
                FROM pieces, made;
            UPDATE "Results" SET frames = made.blob,
                   json_res = jsonb_set(jsonb_set(json_res::jsonb, '{{accounting,processed}}', '{1}'),
                                        '{{summary,labels}}', '{{"person":700000,"car":700000,"bicycle":600000}}')::json
              FROM made WHERE "inferenceJob_id" = '{0}';
            UPDATE "InferenceJobs" SET images = {1}, done = {1},
                   params = jsonb_set(params::jsonb, '{{end_frame}}', '{1}')::json WHERE id = '{0}')sql",
      job, kFrames));
}

int measure() {
  test::TestServer server{{{"INFERNODE_PRICE_UPLOAD_FRAME", "0"}}};
  test::TestUser user{server, test::TestUser::admin};
  const auto dataset = user.create_dataset("long");
  const auto file = test::run_ffmpeg(
      fmt::format("-f lavfi -i testsrc=size=320x180:rate=30 -frames:v {} -c:v libx264 -preset "
                  "ultrafast -g 300 -pix_fmt yuv420p",
                  kFrames),
      server.folder() / "long.mp4");
  const auto uploaded = user.upload(dataset, file);
  if (uploaded.status != 201) {
    throw std::runtime_error(uploaded.body);
  }
  const auto video = test::text(json::parse(uploaded.body), "id");
  const json::object params{
      {"pipeline", "detect"}, {"end_frame", 3}, {"images", false}, {"track", true}};
  const json::object request{{"video_ids", json::array{video}}, {"params", params}};
  const auto job = test::text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  user.wait_for_end(job);
  make_datasets_and_jobs(server, user, video);
  enlarge(server, job);
  fmt::print("500 datasets, 10,000 jobs, a result of {} frames with 20 objects each ({} MB);{}",
             kFrames, server.value(R"(SELECT max(size) / 1000000 FROM "Blobs")"),
             bench::processor());
  std::fflush(stdout);
  const auto command = fmt::format(
      "INFERNODE_E2E_URL=http://127.0.0.1:{} node '{}/bench/web.mjs' '{}' '{}' '{}' '{}' '{}'",
      server.port(), INFERNODE_SOURCE_DIR, user.email(), test::TestUser::kPassword, dataset, video,
      job);
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): our own script
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main() {
  try {
    return measure();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_web: {}\n", error.what());
    return 1;
  }
}
