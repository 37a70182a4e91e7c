// Goal: what a runner finds in the cache is the model, whatever was left there before. Method: a
// real blob; folders as crashes leave them.
#include "models/model_cache.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "core/digest.hpp"
#include "testing/services.hpp"
#include "testing/test_server.hpp"

namespace infernode {
namespace {

namespace fs = std::filesystem;

class Cache : public testing::Test {
protected:
  Cache() {
    bytes_.resize(1'500'000);
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      bytes_[i] = static_cast<std::byte>(i * 7 + i / 1000);
    }
    model_.name = "m";
    model_.manifest = "name: m";
    model_.file_bytes = static_cast<std::int64_t>(bytes_.size());
    Sha256 sha;
    sha.update(bytes_);
    model_.sha256 = hex(sha.finish());
    services_.database.run([&]() -> asio::awaitable<void> {
      BlobWriter writer{services_.blobs};
      auto copy = bytes_;
      co_await writer.write(std::move(copy));
      co_await writer.finish();
      model_.file = writer.id().value();
    });
  }
  fs::path kept() const { return folder_.path() / "models" / revision_of(model_); }
  static void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream{file} << text;
  }
  // What went wrong; empty when the file has the model's bytes.
  std::string bring(std::int64_t disk_floor = 0) {
    ModelCache cache{services_.blobs, blocking_, folder_.path() / "models", disk_floor};
    std::string wrong;
    services_.database.run([&]() -> asio::awaitable<void> {
      try {
        const auto file = co_await cache.bring(model_);
        wrong = sha256_of_file(file) == model_.sha256 ? "" : "other bytes";
      } catch (const ModelNotCached& error) {
        wrong = error.what();
      }
    });
    return wrong;
  }
  void keep_only(std::vector<StoredModel> models) {
    ModelCache cache{services_.blobs, blocking_, folder_.path() / "models", 0};
    services_.database.run(
        [&]() -> asio::awaitable<void> { co_await cache.keep_only(std::move(models)); });
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{folder_.path() / "models"}, {}));
  }

  test::Services services_;
  test::TemporaryFolder folder_;
  asio::thread_pool blocking_{1};
  std::vector<std::byte> bytes_;
  StoredModel model_;
};

TEST_F(Cache, BringsAModelWithItsManifestBesideIt) {
  EXPECT_EQ(bring(), "");
  EXPECT_EQ(entries(), 1U);
  std::ifstream in{kept() / "m.yaml"};
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>{in}, {}}), "name: m");
  const auto changed = fs::last_write_time(kept() / "m.onnx");
  EXPECT_EQ(bring(), "");
  EXPECT_EQ(fs::last_write_time(kept() / "m.onnx"), changed);  // not fetched again
}

TEST_F(Cache, TrustsNothingThatACrashLeft) {
  // Begun by a process of the same number, and by one that was cut off by a power failure.
  write(kept().string() + "." + std::to_string(getpid()) + "/m.onnx", "half of it");
  write(kept() / "m.onnx", "a short file that was renamed before it was on the disk");
  EXPECT_EQ(bring(), "");
  auto damaged = bytes_;
  damaged[700'000] ^= std::byte{1};
  std::ofstream{kept() / "m.onnx", std::ios::binary}.write(
      reinterpret_cast<const char*>(damaged.data()), static_cast<std::streamsize>(damaged.size()));
  EXPECT_EQ(bring(), "");
}

TEST_F(Cache, SaysWhyAModelCannotBeHad) {
  EXPECT_NE(bring(std::int64_t{1} << 60).find("too few"), std::string::npos);
  EXPECT_EQ(entries(), 0U);
  model_.sha256 = std::string(64, 'a');
  EXPECT_NE(bring().find("has not the hash"), std::string::npos);
  model_.file = BlobId::random();
  EXPECT_NE(bring(), "");
  EXPECT_EQ(entries(), 0U);
}

// What another process began a moment ago stays.
TEST_F(Cache, DeletesWhatIsOldAndOfNoModel) {
  ASSERT_EQ(bring(), "");
  const auto part = folder_.path() / "models" / (revision_of(model_) + ".old");
  write(part / "m.onnx", "half of it");
  const auto gone = folder_.path() / "models" / "0123456789abcdef";
  write(gone / "n.onnx", "of a model that was removed");
  keep_only({model_});
  EXPECT_EQ(entries(), 3U);
  const auto long_ago = fs::file_time_type::clock::now() - ModelCache::kLeastAge * 2;
  for (const auto& folder : {part, gone, kept()}) {
    fs::last_write_time(folder, long_ago);
  }
  keep_only({model_});
  EXPECT_EQ(entries(), 1U);
  EXPECT_TRUE(fs::exists(kept()));
  keep_only({});
  EXPECT_EQ(entries(), 0U);
}

}  // namespace
}  // namespace infernode
