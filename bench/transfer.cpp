// What moving a large video in and out costs beyond PostgreSQL itself.
//
// In: a video of GIB gibibytes (the example clip with random bytes behind it, that players skip) by
// multipart and by tus in pieces of 64 MiB, each over loopback from this process, until the server
// has answered that it is a video; by tus also through Debian's nginx with its default buffering,
// by curl with TLS and either version of HTTP. psql: COPY ... FROM STDIN BINARY of as many bytes in
// chunks of the same size into a table of the same kind. Out: GET /videos/{id}/content against COPY
// ... TO STDOUT BINARY; cold is after the kernel has let go of its caches (as root alone), warm is
// once more. The server's memory is its peak above what it held before.
//
// Usage: bench_transfer [GIB]
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>

#include "blobs/blob_store.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "measure.hpp"
#include "testing/nginx.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::int64_t kGib = 1024 * 1024 * 1024;
constexpr std::size_t kPiece = 64 * 1024 * 1024;

// Seconds that it takes.
template <class Work>
double timed(Work work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// Big endian.
void put(std::string& out, std::uint64_t number, int bytes) {
  while (bytes-- > 0) {
    out += static_cast<char>(number >> (8 * bytes) & 0xff);
  }
}

void write_video(const fs::path& file, std::int64_t bytes) {
  fs::copy_file(test::kClip, file);
  const auto clip = static_cast<std::int64_t>(fs::file_size(file));
  std::ofstream out{file, std::ios::binary | std::ios::app};
  std::string head;
  put(head, 1, 4);  // its size follows, in 64 bits
  head += "free";
  put(head, static_cast<std::uint64_t>(bytes - clip), 8);
  out << head;
  std::mt19937_64 random{1};
  std::vector<std::uint64_t> piece(128 * 1024);
  for (std::int64_t left = bytes - clip - 16; left > 0;) {
    std::generate(piece.begin(), piece.end(), std::ref(random));
    const auto now = std::min(left, static_cast<std::int64_t>(piece.size() * 8));
    out.write(reinterpret_cast<const char*>(piece.data()), now);
    left -= now;
  }
}

class Psql {
public:
  Psql(const test::TestServer& server, const std::string& statement, const char* mode)
      : pipe_{popen(fmt::format("psql -q -h '{}' -U postgres -d InferNode -c '{}'",
                                (server.folder() / "data/postgres-socket").string(), statement)
                        .c_str(),
                    mode)} {}
  ~Psql() { pclose(pipe_); }
  Psql(const Psql&) = delete;
  Psql& operator=(const Psql&) = delete;
  std::FILE* pipe() const { return pipe_; }

private:
  std::FILE* pipe_;
};

// The rows of PostgreSQL's binary format: two fields, a number and the bytes.
void copy_in(const test::TestServer& server, const fs::path& file) {
  const Psql psql{server, "COPY bench_chunks FROM STDIN BINARY", "w"};
  std::string head{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
  std::fwrite(head.data(), 1, head.size(), psql.pipe());
  std::ifstream in{file, std::ios::binary};
  std::vector<char> chunk(BlobStore::kChunkBytes);
  for (std::uint64_t number = 0;
       in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in.gcount() > 0;
       ++number) {
    std::string row;
    put(row, 2, 2);
    put(row, 8, 4);
    put(row, number, 8);
    put(row, static_cast<std::uint64_t>(in.gcount()), 4);
    std::fwrite(row.data(), 1, row.size(), psql.pipe());
    std::fwrite(chunk.data(), 1, static_cast<std::size_t>(in.gcount()), psql.pipe());
  }
  std::fwrite("\377\377", 1, 2, psql.pipe());
}

void copy_out(const test::TestServer& server) {
  const Psql psql{server, "COPY bench_chunks TO STDOUT BINARY", "r"};
  std::vector<char> bytes(kPiece);
  while (std::fread(bytes.data(), 1, bytes.size(), psql.pipe()) > 0) {
  }
}

std::string upload(test::TestUser& user, const std::string& dataset, const fs::path& file) {
  const auto answer = user.upload(dataset, file);
  if (answer.status != 201) {
    throw std::runtime_error(answer.body);
  }
  return test::text(json::parse(answer.body), "id");
}

// The path of an upload that begins.
std::string begin_upload(test::TestUser& user, const std::string& dataset, std::uint64_t size) {
  const auto made = user.send(
      "POST", "/uploads", "",
      {{"Tus-Resumable", "1.0.0"},
       {"Upload-Length", std::to_string(size)},
       {"Upload-Metadata", fmt::format("dataset_id {},name {}", base64(dataset), base64("tus"))}});
  const auto location = made.headers.at("location");
  return "/uploads/" + location.substr(location.rfind('/') + 1);
}

std::string upload_by_tus(test::TestUser& user, const std::string& dataset, const fs::path& file) {
  const auto size = fs::file_size(file);
  const auto path = begin_upload(user, dataset, size);
  std::ifstream in{file, std::ios::binary};
  std::string piece;
  std::string video;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kPiece, size - at));
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto sent = user.send("PATCH", path, piece,
                                {{"Tus-Resumable", "1.0.0"},
                                 {"Upload-Offset", std::to_string(at)},
                                 {"Content-Type", "application/offset+octet-stream"}});
    if (sent.status != 204) {
      throw std::runtime_error(sent.body);
    }
    if (sent.headers.contains("x-video")) {
      video = sent.headers.at("x-video");
    }
  }
  return video;
}

// The same through nginx by curl, which speaks `protocol` ("--http2"). Seconds that curl took.
double upload_behind_nginx(const test::Nginx& nginx, test::TestUser& user,
                           const std::string& dataset, const fs::path& file,
                           const std::string& protocol) {
  const auto size = fs::file_size(file);
  const auto path = begin_upload(user, dataset, size);
  const fs::path piece_file = file.string() + ".piece";
  std::ifstream in{file, std::ios::binary};
  std::string piece;
  double seconds = 0;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kPiece, size - at));
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    std::ofstream{piece_file, std::ios::binary}.write(piece.data(),
                                                      static_cast<std::streamsize>(piece.size()));
    const auto said = nginx.curl(
        {protocol, "-X", "PATCH", "-T", piece_file.string(), "-w", "%{http_code} %{time_total}",
         "-H", "Expect:", "-H", "Authorization: Bearer " + user.token(), "-H",
         "Tus-Resumable: 1.0.0", "-H", fmt::format("Upload-Offset: {}", at), "-H",
         "Content-Type: application/offset+octet-stream"},
        path);
    if (!said.starts_with("204 ")) {
      throw std::runtime_error(said);
    }
    seconds += std::stod(said.substr(4));
  }
  fs::remove(piece_file);
  return seconds;
}

bool drop_caches() {
  std::ofstream out{"/proc/sys/vm/drop_caches"};
  return static_cast<bool>(out << "3\n" << std::flush);
}

int measure(double gib) {
  test::TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_SWEEP_SECONDS", "1"}}};
  test::TestUser user{server};
  server.sql(
      "CREATE TABLE bench_chunks (number BIGINT PRIMARY KEY, bytes BYTEA NOT NULL); "
      "ALTER TABLE bench_chunks ALTER bytes SET STORAGE EXTERNAL");
  const auto dataset = user.create_dataset("large");
  const auto bytes = static_cast<std::int64_t>(gib * kGib);
  const auto file = server.folder() / "large.mp4";
  write_video(file, bytes);
  const double mib = static_cast<double>(bytes) / (1024 * 1024);
  const auto empty = [&](const std::string& video) {
    user.call(204, "DELETE", "/videos/" + video);
    test::wait_until("the end of a video",
                     [&] { return server.value("SELECT count(*) FROM \"BlobParts\"") == "0"; });
    server.sql("VACUUM \"Chunks\", \"BlobParts\"");
    server.sql("CHECKPOINT");
  };
  // What each needs to be warm.
  empty(upload(user, dataset, test::kClip));

  const long before = bench::status_kib(server.pid(), "VmRSS");
  std::string video;
  const double multipart = timed([&] { video = upload(user, dataset, file); });
  empty(video);
  const double tus = timed([&] { video = upload_by_tus(user, dataset, file); });
  server.sql("CHECKPOINT");
  std::vector<double> behind;
  {
    const test::Nginx nginx{server};
    for (const char* protocol : {"--http1.1", "--http2"}) {
      empty(video);
      server.sql("CHECKPOINT");
      behind.push_back(upload_behind_nginx(nginx, user, dataset, file, protocol));
      video = server.value("SELECT id FROM \"Videos\"");
    }
  }
  const double rival = timed([&] { copy_in(server, file); });
  server.sql("CHECKPOINT");
  fmt::print("in: multipart {:.0f} MiB/s, tus {:.0f}, COPY {:.0f}\n", mib / multipart, mib / tus,
             mib / rival);
  fmt::print("tus behind nginx: HTTP/1.1 {:.0f} MiB/s, HTTP/2 {:.0f}\n", mib / behind.at(0),
             mib / behind.at(1));
  const auto back = server.folder() / "back.mp4";
  for (const bool cold : {true, false}) {
    const bool dropped = cold && drop_caches();
    const double copy = timed([&] { copy_out(server); });
    if (cold) {
      drop_caches();
    }
    const double out = timed([&] {
      const auto answer = user.client().download("/api/v1/videos/" + video + "/content", back);
      if (answer.status != 200) {
        throw std::runtime_error(answer.body);
      }
    });
    fmt::print("out, {}: GET {:.0f} MiB/s, COPY {:.0f}, ratio {:.2f}\n",
               cold ? dropped ? "cold" : "as it was" : "warm", mib / out, mib / copy, copy / out);
  }
  fmt::print("{:.1f} GiB;{}", gib, bench::processor());
  fmt::print("memory grew by {} KiB of {}\n", bench::status_kib(server.pid(), "VmHWM") - before,
             before);
  fmt::print("tus ratio={:.2f}\n", rival / tus);
  fmt::print("ratio={:.2f}\n", rival / multipart);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? std::atof(argv[1]) : 4);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_transfer: {}\n", error.what());
    return 1;
  }
}
