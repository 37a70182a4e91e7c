#include "videos/uploads/multipart_upload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "core/json.hpp"
#include "http/multipart.hpp"
#include "idempotency/once_routes.hpp"
#include "idempotency/request_key.hpp"
#include "videos/uploads/upload_controller.hpp"

namespace infernode {
namespace {

using Event = http::MultipartParser::Event;

constexpr std::size_t kMaxNameBytes = 255;
// Room for the form around the file.
constexpr std::int64_t kFormBytes = 64 * 1024;
// What is reserved at once for a file of unknown size.
constexpr std::int64_t kRoomStep = 4 * 1024 * 1024;
// How often it is looked whether the client of a video that is looked into is still there.
constexpr std::chrono::milliseconds kLookInterval{250};

struct Form {
  std::optional<BlobWriter> file;  // none: what was answered already is only compared
  std::int64_t size = 0;           // of the file so far
  std::int64_t room = 0;           // reserved for it
  Sha256 sha;
  NewVideos found;          // once it was looked into
  bool remembered = false;  // an upload was to refer to the file, and maybe does
  bool has_file = false;
  std::string filename;
  bool has_name = false;
  std::string name;
};

Error field_error(ErrorCode code, const std::string& pointer, const std::string& detail) {
  Error error{code, detail};
  error.fields.push_back(FieldError{pointer, detail});
  return error;
}

Error too_large(std::int64_t max_bytes) {
  return field_error(ErrorCode::too_large, "/file",
                     fmt::format("A video may have {} bytes at most.", max_bytes));
}

// Stages the file, with room for as much of it as is known of. The form around it may be as large
// as kFormBytes, or as small as nothing.
asio::awaitable<Result<void>> reserve(VideoIngest& ingest, UserId user,
                                      std::optional<std::uint64_t> announced, Form& form) {
  const auto most = announced ? static_cast<std::int64_t>(*announced) : kRoomStep;
  const auto least = announced ? std::max<std::int64_t>(most - kFormBytes, 0) : 0;
  const BlobId blob = BlobId::random();
  const auto room = co_await ingest.storage().reserve(blob, user, least, most);
  if (!room) {
    co_return room.error();
  }
  form.file.emplace(ingest.blobs(), blob);
  form.room = *room;
  co_return Result<void>{};
}

asio::awaitable<Result<void>> store(VideoIngest& ingest, UserId user, std::vector<std::byte> bytes,
                                    Form& form) {
  form.sha.update(bytes);
  form.size += static_cast<std::int64_t>(bytes.size());
  if (!form.file) {
    co_return Result<void>{};
  }
  if (const auto missing = form.size - form.room; missing > 0) {
    const auto more = co_await ingest.storage().reserve(form.file->id().value(), user, missing,
                                                        std::max(missing, kRoomStep));
    if (!more) {
      co_return more.error();
    }
    form.room += *more;
  }
  co_await form.file->write(std::move(bytes));
  co_return Result<void>{};
}

// Reads one part to its end.
asio::awaitable<Result<void>> receive_part(VideoIngest& ingest, UserId user,
                                           http::MultipartReader& reader, Form& form,
                                           std::int64_t max_bytes) {
  const http::PartHeader header = reader.header();
  const bool is_file = header.name == "file";
  if (!is_file && header.name != "name") {
    const std::string name{is_utf8(header.name) ? utf8_prefix(header.name, 100) : "?"};
    co_return field_error(ErrorCode::invalid, "/" + name, "The form has the fields file and name.");
  }
  if (is_file && form.has_file) {
    co_return field_error(ErrorCode::invalid, "/file", "The form takes one file.");
  }
  if (!is_file && form.has_name) {
    co_return field_error(ErrorCode::invalid, "/name", "The form takes one name.");
  }
  if (is_file) {
    form.has_file = true;
    form.filename = header.filename;
  } else {
    form.has_name = true;
  }
  http::PartSink take = [&,
                         is_file](std::vector<std::byte> bytes) -> asio::awaitable<Result<void>> {
    if (is_file) {
      if (form.size + static_cast<std::int64_t>(bytes.size()) > max_bytes) {
        co_return too_large(max_bytes);
      }
      co_return co_await store(ingest, user, std::move(bytes), form);
    }
    form.name.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (form.name.size() > kMaxNameBytes) {
      co_return field_error(ErrorCode::invalid, "/name", "A name has 255 bytes at most.");
    }
    co_return Result<void>{};
  };
  co_return co_await reader.read_part(std::move(take));
}

asio::awaitable<Result<void>> receive_form(VideoIngest& ingest, http::Request& request,
                                           const std::string& boundary, Form& form,
                                           std::int64_t max_bytes) {
  http::MultipartReader reader{*request.stream, boundary};
  for (;;) {
    const auto event = co_await reader.next();
    if (!event) {
      co_return event.error();
    }
    if (*event == Event::end) {
      break;
    }
    const auto part = co_await receive_part(ingest, request.user(), reader, form, max_bytes);
    if (!part) {
      co_return part.error();
    }
  }
  if (!form.has_file) {
    co_return field_error(ErrorCode::invalid, "/file", "The form has no field file.");
  }
  if (form.size == 0) {
    co_return field_error(ErrorCode::invalid, "/file", "The file is empty.");
  }
  if (form.name.empty()) {
    form.name = utf8_prefix(form.filename, kMaxNameBytes);
  }
  if (form.name.empty() || has_control_character(form.name) || !is_utf8(form.name)) {
    co_return field_error(ErrorCode::invalid, "/name",
                          "A name is UTF-8 text without control characters.");
  }
  co_return Result<void>{};
}

struct Received {
  Answer answer;
  bool adopted = false;  // the staged file became the video's or the upload's
};

// Whether the client says that it will come back (RFC 7240, 4.1).
bool prefers_to_come_back(const http::Request& request) {
  std::string preferences;
  for (const char letter : http::lower_case(request.header("prefer"))) {
    if (letter != ' ' && letter != '\t') {
      preferences += letter;
    }
  }
  return ("," + preferences + ",").find(",respond-async,") != std::string::npos;
}

// Waits for the probe for as long as a client can be let wait; false when it takes longer. Throws
// PeerGone when the client goes.
asio::awaitable<bool> wait_for(PendingProbe& probe, const http::Request& request,
                               std::chrono::steady_clock::duration most) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (!co_await probe.wait(kLookInterval)) {
    if (request.stream->peer_gone()) {
      throw http::PeerGone("the client went away while its video was looked into");
    }
    if (std::chrono::steady_clock::now() >= end) {
      co_return false;
    }
  }
  co_return true;
}

// Ends a probe that nobody goes on with.
class ProbeHolder {
public:
  explicit ProbeHolder(std::shared_ptr<PendingProbe> probe) : probe_{std::move(probe)} {}
  ~ProbeHolder() {
    if (probe_) {
      probe_->cancel();
    }
  }
  ProbeHolder(const ProbeHolder&) = delete;
  ProbeHolder& operator=(const ProbeHolder&) = delete;
  PendingProbe& get() const { return *probe_; }
  std::shared_ptr<PendingProbe> hand_over() { return std::exchange(probe_, nullptr); }

private:
  std::shared_ptr<PendingProbe> probe_;
};

// Answers with the upload, which goes on in the background.
asio::awaitable<Result<Received>> add_for_later(UploadService& uploads, IdempotencyService& once,
                                                NewVideo video, std::optional<IdempotencyKey> key,
                                                ProbeHolder& probe, bool& remembered) {
  const UploadId id = UploadId::random();
  bool adopted = false;
  IdempotencyService::Effect effect =
      [&](db::Transaction& transaction) -> asio::awaitable<Result<Answer>> {
    remembered = true;  // should the commit's answer be lost, the file may be needed
    const auto upload = co_await uploads.add(transaction, id, video);
    adopted = true;
    co_return json_answer(kAcceptedForLater, upload_json(upload));
  };
  auto answer = co_await once.act(video.user, std::move(key), std::move(effect));
  if (!answer) {
    co_return answer.error();
  }
  if (adopted) {
    uploads.follow(id, UploadService::kFirstFence, std::move(video), probe.hand_over());
  }
  co_return Received{std::move(*answer), adopted};
}

asio::awaitable<Result<Received>> receive_and_add(UploadService& uploads, IdempotencyService& once,
                                                  DatasetId dataset, http::Request& request,
                                                  const std::string& boundary, Form& form,
                                                  UploadLimits limits,
                                                  const VideoAnswers& answers) {
  const auto received =
      co_await receive_form(uploads.ingest(), request, boundary, form, limits.max_bytes);
  if (!received) {
    co_return received.error();
  }
  const bool repeated = !form.file.has_value();
  NewVideo upload;
  upload.user = request.user();
  upload.dataset = dataset;
  upload.name = form.name;
  upload.size = form.size;
  upload.sha256 = form.sha.finish();
  auto key = idempotency_key(request, form.name + "\n" + hex(upload.sha256));
  if (!repeated) {
    co_await form.file->finish();
    upload.file = form.file->id().value();
    const bool later = prefers_to_come_back(request);
    ProbeHolder probe{later ? nullptr
                            : PendingProbe::start(uploads.executor(), uploads.ingest(), upload)};
    const bool done = !later && co_await wait_for(probe.get(), request, limits.wait);
    if (!done) {
      co_return co_await add_for_later(uploads, once, std::move(upload), std::move(key), probe,
                                       form.remembered);
    }
    auto found = probe.get().take();
    if (!found) {
      co_return found.error();
    }
    form.found = std::move(*found);
  }
  bool adopted = false;
  IdempotencyService::Effect effect =
      [&](db::Transaction& transaction) -> asio::awaitable<Result<Answer>> {
    if (repeated) {
      // The key is claimed with this, which ends here and gives the first answer.
      std::vector<db::Command> nothing;
      co_await transaction.execute_all(std::move(nothing));
      throw Unavailable("the answer to a repeated upload expired meanwhile");
    }
    auto videos = co_await uploads.ingest().accept(transaction, form.found);
    if (!videos) {
      co_return videos.error();
    }
    adopted = true;
    if (form.found.archive) {
      co_return answers.zip(*videos, uploads.ingest().price_of(form.found.frames()));
    }
    co_return answers.video(videos->front());
  };
  auto answer = co_await once.act(request.user(), std::move(key), std::move(effect));
  if (!answer) {
    co_return answer.error();
  }
  co_return Received{std::move(*answer), adopted};
}

}  // namespace

asio::awaitable<Result<Answer>> receive_video(UploadService& uploads, IdempotencyService& once,
                                              DatasetId dataset, http::Request& request,
                                              UploadLimits limits, VideoAnswers answers) {
  auto& ingest = uploads.ingest();
  const auto boundary = http::multipart_boundary(request.header("content-type"));
  if (!boundary) {
    co_return Error{ErrorCode::unsupported_media,
                    "A video is uploaded as multipart/form-data with the field file."};
  }
  const auto announced = request.stream->content_length();
  if (announced && *announced > static_cast<std::uint64_t>(limits.max_bytes + kFormBytes)) {
    co_return too_large(limits.max_bytes);
  }
  // What was answered once is answered again, also when the dataset is gone by now.
  bool repeated = false;
  Form form;
  if (auto key = idempotency_key(request, "")) {
    repeated = co_await once.knows(request.user(), std::move(*key));
  }
  if (!repeated) {
    const auto allowed = co_await ingest.check(request.user(), dataset);
    if (!allowed) {
      co_return allowed.error();
    }
    const auto reserved = co_await reserve(ingest, request.user(), announced, form);
    if (!reserved) {
      co_return reserved.error();
    }
  }
  std::exception_ptr failure;
  Result<Received> received = Error{ErrorCode::malformed, ""};
  try {
    received =
        co_await receive_and_add(uploads, once, dataset, request, *boundary, form, limits, answers);
  } catch (...) {
    failure = std::current_exception();
  }
  const bool adopted = received && received->adopted;
  if ((failure || !adopted) && form.file && !form.remembered) {
    // Adopted ones are left alone, so an answer that was lost after the commit loses nothing.
    co_await ingest.blobs().try_discard(form.file->id().value());
    co_await ingest.discard_unpacked(std::move(form.found));
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  if (!received) {
    co_return received.error();
  }
  co_return std::move(received->answer);
}

}  // namespace infernode
