#include "runner/host/unpacker.hpp"

#include <optional>

#include "core/json.hpp"
#include "core/log.hpp"
#include "runner/limits.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

Error zip_error(const std::string& detail) {
  Error error{ErrorCode::invalid, detail};
  error.fields.push_back(FieldError{"/file", detail});
  return error;
}

// What comes out of the box is looked at before it is believed. Throws RunnerCrashed.
std::vector<media::PackedFile> files_from_json(const std::string& text, std::int64_t most_bytes) {
  std::vector<media::PackedFile> files;
  try {
    const json::value list = json::parse(text);
    std::int64_t left = most_bytes;
    for (const auto& entry : list.as_array()) {
      media::PackedFile file{json::value_to<std::string>(entry.at("name")),
                             json::value_to<std::int64_t>(entry.at("size"))};
      if (file.name.empty() || file.name.size() > media::kMaxPackedName || !is_utf8(file.name) ||
          has_control_character(file.name) || file.size < 1 || file.size > left) {
        throw std::runtime_error("out of range");
      }
      left -= file.size;
      files.push_back(std::move(file));
    }
    if (files.empty() || files.size() > media::kMaxPackedFiles) {
      throw std::runtime_error("out of range");
    }
  } catch (const std::exception&) {
    throw RunnerCrashed("the runner's list of a ZIP's files is none");
  }
  return files;
}

// Follows what a runner says of a ZIP.
class Unpacking {
public:
  Unpacking(media::PackedFileSink& sink, std::int64_t most_bytes)
      : sink_{sink}, most_bytes_{most_bytes} {}

  asio::awaitable<void> list(RunnerFrame frame) {
    auto files = files_from_json(frame.json, most_bytes_);
    for (const auto& file : files) {
      left_.push_back(file.size);
    }
    auto begun = co_await sink_.begin(std::move(files));
    if (!begun) {
      refused_ = begun.error();
      throw Cancelled("what a ZIP has was refused");
    }
  }

  asio::awaitable<void> add(std::vector<std::byte> bytes) {
    const auto size = static_cast<std::int64_t>(bytes.size());
    if (at_ == left_.size() || size == 0 || size > left_[at_]) {
      throw RunnerCrashed("the runner sent more of a ZIP's file than it has");
    }
    const std::size_t file = at_;
    left_[file] -= size;
    if (left_[file] == 0) {
      ++at_;
    }
    co_await sink_.write(file, std::move(bytes));
  }

  bool complete() const { return !left_.empty() && at_ == left_.size(); }
  const std::optional<Error>& refused() const { return refused_; }

private:
  media::PackedFileSink& sink_;
  std::int64_t most_bytes_;
  std::vector<std::int64_t> left_;  // bytes, of each file
  std::size_t at_ = 0;
  std::optional<Error> refused_;
};

}  // namespace

asio::awaitable<Result<void>> ZipUnpacker::unpack(std::string user, std::int64_t zip_bytes,
                                                  std::int64_t most_bytes, SourceReader read,
                                                  std::shared_ptr<media::PackedFileSink> sink,
                                                  std::shared_ptr<Cancellation> cancel) {
  const auto slot = co_await slots_.acquire(std::move(user), cancel);
  const RunnerOptions options;
  RunnerProcess runner{executor_, options};
  const Cancellation::Hook stop{*cancel, [&runner] { runner.kill(); }};
  Unpacking unpacking{*sink, most_bytes};
  FrameSink list = [&unpacking](RunnerFrame frame) { return unpacking.list(std::move(frame)); };
  VideoSink add = [&unpacking](VideoPart, std::vector<std::byte> bytes) {
    return unpacking.add(std::move(bytes));
  };
  json::object task{{"op", "unpack"}, {"zip_bytes", zip_bytes}, {"most_bytes", most_bytes}};
  try {
    co_await runner.run(std::move(task), unpack_limits(zip_bytes, most_bytes), std::move(read),
                        std::move(list), std::move(add));
    if (!unpacking.complete()) {
      throw RunnerCrashed("the runner did not send all of a ZIP");
    }
    co_return Result<void>{};
  } catch (const TaskFailed& failure) {
    if (failure.fault() == Fault::internal) {
      throw;
    }
    co_return zip_error(failure.what());
  } catch (const Cancelled&) {
    if (unpacking.refused()) {
      co_return *unpacking.refused();
    }
    throw;
  } catch (const RunnerNotStarted&) {
    if (cancel->cancelled()) {
      throw Cancelled("cancelled while a ZIP was unpacked");
    }
    throw;
  } catch (const RunnerOverLimit& error) {
    log::warn("a ZIP was not unpacked: {}", error.what());
    co_return zip_error("The ZIP cannot be read: it takes far more work than others of its size.");
  } catch (const RunnerCrashed& error) {
    if (cancel->cancelled()) {
      throw Cancelled("cancelled while a ZIP was unpacked");
    }
    log::warn("a ZIP was not unpacked: {}", error.what());
    co_return zip_error("The ZIP cannot be read: the program that unpacks it gave up on it.");
  }
}

}  // namespace infernode::runner
