#include "cli/folder_watch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "cli/watch_journal.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "http/client.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kResults = ".results";
constexpr std::chrono::seconds kLookInterval{1};
constexpr std::chrono::seconds kRetryInterval{5};
constexpr std::chrono::seconds kPaymentInterval{60};
// Of a file at a time: what a line that breaks costs.
constexpr std::int64_t kPieceBytes = 8 * 1024 * 1024;
constexpr std::size_t kNameBytes = 255;

// What the server says cannot be done now, but may be later.
class Later : public std::runtime_error {
public:
  Later(const std::string& reason, std::chrono::seconds wait, bool needs_somebody)
      : std::runtime_error{reason}, wait_{wait}, needs_somebody_{needs_somebody} {}
  std::chrono::seconds wait() const { return wait_; }
  // Tokens or room: it does not pass by itself.
  bool needs_somebody() const { return needs_somebody_; }

private:
  std::chrono::seconds wait_;
  bool needs_somebody_;
};

// The server refuses a file for good.
class Refused : public std::runtime_error {
public:
  explicit Refused(json::value problem)
      : std::runtime_error{detail_of(problem)}, problem_{std::move(problem)} {}
  const json::value& problem() const { return problem_; }

private:
  static std::string detail_of(const json::value& problem) {
    const auto* detail = problem.is_object() ? problem.as_object().if_contains("detail") : nullptr;
    return detail != nullptr && detail->is_string() ? json::value_to<std::string>(*detail)
                                                    : json_text(problem);
  }
  json::value problem_;
};

// The file is not what it was when its upload began.
class Changed : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

std::string text(const json::value& value, const char* name) {
  return json::value_to<std::string>(value.at(name));
}

bool is_video_name(const fs::path& file) {
  static const std::set<std::string> suffixes{".3gp", ".avi", ".flv",  ".m2ts", ".m4v", ".mkv",
                                              ".mov", ".mp4", ".mpeg", ".mpg",  ".mts", ".mxf",
                                              ".ogv", ".ts",  ".vob",  ".webm", ".wmv"};
  std::string suffix = file.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return suffixes.contains(suffix);
}

class FolderWatch {
public:
  FolderWatch(const FolderWatchSettings& settings, const volatile std::sig_atomic_t& stopping)
      : settings_{settings},
        stopping_{stopping},
        client_{settings.server},
        journal_{settings.journal} {
    client_.set_token(settings.key);
  }

  // True when nothing was refused, or left for want of tokens or room.
  bool run() {
    for (;;) {
      const auto began = Clock::now();
      look();
      const Clock::duration looking = Clock::now() - began;
      bool left = false;
      const bool reached = work(left);
      if (stopping_ != 0) {
        say("", "stopped; the next run goes on from here");
        return !settings_.once;
      }
      if (settings_.once && reached && !left && settling_.empty()) {
        return all_done_ && !unreadable_;
      }
      // A folder of very many files, or on a slow share, is looked at less often.
      std::this_thread::sleep_for(
          std::max<Clock::duration>(reached ? kLookInterval : kRetryInterval, 10 * looking));
    }
  }

private:
  struct Seen {
    std::int64_t size = 0;
    std::int64_t modified = 0;
    Clock::time_point since{};
  };

  static void say(const std::string& path, const std::string& what) {
    std::printf("%s%s%s\n", path.c_str(), path.empty() ? "" : ": ", what.c_str());
    std::fflush(stdout);
  }

  static std::optional<Seen> look_at(const fs::path& file) {
    struct stat status {};
    if (lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
      return std::nullopt;
    }
    return Seen{status.st_size,
                std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec,
                Clock::now()};
  }

  // Finds files that have come, and been left alone for long enough to be whole.
  void look() {
    std::map<std::string, Seen> settling;
    unreadable_ = false;
    look_in(settings_.folder, settling);
    settling_ = std::move(settling);
  }

  void look_in(const fs::path& folder, std::map<std::string, Seen>& settling) {
    std::vector<fs::path> folders;
    std::error_code error;
    for (fs::directory_iterator each{folder, error}, end; !error && each != end;
         each.increment(error)) {
      const auto& path = each->path();
      const std::string name = path.filename().string();
      std::error_code gone;
      if (name.starts_with('.') || each->is_symlink(gone)) {
        continue;
      }
      if (each->is_directory(gone)) {
        if (!name.ends_with(kResults)) {
          folders.push_back(path);
        }
        continue;
      }
      const auto seen = is_video_name(path) ? look_at(path) : std::nullopt;
      if (seen && seen->size > 0) {
        consider(path.lexically_relative(settings_.folder).string(), *seen, settling);
      }
    }
    // One that was deleted just now is none.
    if (error && (folder == settings_.folder || error != std::errc::no_such_file_or_directory)) {
      unreadable_ = true;
      note(folder.string(), fmt::format("cannot be read: {}", error.message()));
    }
    for (const auto& inner : folders) {
      look_in(inner, settling);
    }
  }

  void consider(const std::string& path, Seen seen, std::map<std::string, Seen>& settling) {
    if (!is_utf8(path)) {
      note("a file", "left out, since its name is no UTF-8");
      return;
    }
    const auto known = journal_.files().find(path);
    if (known != journal_.files().end() &&
        (known->second.outcome.empty() ||
         (known->second.size == seen.size && known->second.modified == seen.modified))) {
      return;
    }
    const auto before = settling_.find(path);
    if (before != settling_.end() && before->second.size == seen.size &&
        before->second.modified == seen.modified) {
      seen.since = before->second.since;
    }
    if (Clock::now() - seen.since < settings_.settle) {
      settling.emplace(path, seen);
      return;
    }
    journal_.put({.path = path, .size = seen.size, .modified = seen.modified});
  }

  // Brings every file on by what can be done now. False when the server was not reached; `left`
  // says whether there is more to do that will become possible by itself.
  bool work(bool& left) {
    std::vector<std::string> open;
    for (const auto& [path, file] : journal_.files()) {
      if (file.outcome.empty()) {
        open.push_back(path);
      }
    }
    all_done_ = !refused_;
    for (const auto& path : open) {
      if (stopping_ != 0) {
        return true;
      }
      const auto waits = retry_at_.find(path);
      if (waits != retry_at_.end() && Clock::now() < waits->second.first) {
        left |= !waits->second.second;
        all_done_ = false;
        continue;
      }
      try {
        left |= !advance(path);
        reached_ = true;
      } catch (const Later& later) {
        note(path, later.what());
        retry_at_[path] = {Clock::now() + later.wait(), later.needs_somebody()};
        left |= !later.needs_somebody();
        all_done_ = false;
      } catch (const http::ClientError& error) {
        if (reached_) {
          say("", fmt::format("{}; trying again", error.what()));
        }
        reached_ = false;
        return false;
      }
    }
    return true;
  }

  // Says it once.
  void note(const std::string& path, const std::string& what) {
    if (noted_[path] != what) {
      noted_[path] = what;
      say(path, what);
    }
  }

  // True when it is over for this file.
  bool advance(const std::string& path) {
    WatchedFile file = journal_.files().at(path);
    try {
      if (file.job.empty() && file.video.empty() && !bring(file)) {
        return false;
      }
      if (file.job.empty()) {
        queue(file);
      }
      return fetch(file);
    } catch (const http::FileError& error) {
      throw Later(error.what(), kPaymentInterval, true);
    } catch (const fs::filesystem_error& error) {
      throw Later(error.what(), kPaymentInterval, true);
    } catch (const Refused& refused) {
      std::error_code cannot;  // what it says is printed too
      fs::create_directories(results_of(file), cannot);
      std::ofstream{results_of(file) / "error.json"} << json_text(refused.problem()) << "\n";
      file.outcome = "refused";
      journal_.put(file);
      say(path, fmt::format("refused: {}", refused.what()));
      refused_ = true;
      all_done_ = false;
      return true;
    } catch (const Changed& changed) {
      say(path, changed.what());
      if (!file.upload.empty()) {
        client_.request("DELETE", "/api/v1/uploads/" + file.upload);
      }
      file.outcome = "changed";  // as something new, once it has settled
      file.size = -1;
      journal_.put(file);
      return false;
    }
  }

  fs::path results_of(const WatchedFile& file) const {
    return settings_.folder / (file.path + kResults);
  }

  void require_unchanged(const WatchedFile& file) const {
    const auto seen = look_at(settings_.folder / file.path);
    if (!seen || seen->size != file.size || seen->modified != file.modified) {
      throw Changed(seen ? "has changed while it was uploaded" : "is gone");
    }
  }

  // Throws Later, Refused, and std::runtime_error for what concerns all files.
  json::value answer_of(const http::ClientResponse& response, const std::string& what) {
    boost::system::error_code error;
    auto body = json::parse(response.body, error);
    if (response.status < 400) {
      return error ? json::value(nullptr) : body;
    }
    if (error) {
      body = json::object{{"status", response.status}, {"detail", response.body}};
    }
    const std::string detail = Refused{body}.what();
    const auto type =
        body.is_object() && body.as_object().contains("type") ? text(body, "type") : "";
    if (response.status == 401 || response.status == 403) {
      throw std::runtime_error(fmt::format("the server refuses this key ({}): {}", what, detail));
    }
    if (response.status == 402 || type == "/problems/quota-exceeded") {
      throw Later("waits: " + detail, kPaymentInterval, true);
    }
    // 409: as many jobs as may be open, or somebody else is at it.
    if (response.status == 409 || response.status == 429 || response.status >= 500) {
      throw Later(fmt::format("tried again in a moment: {}", detail), kRetryInterval, false);
    }
    throw Refused{std::move(body)};
  }

  json::value call(const char* method, const std::string& path, const json::value& body = nullptr,
                   const std::map<std::string, std::string>& headers = {}) {
    const auto response = client_.request(
        method, "/api/v1" + path, body.is_null() ? std::string{} : json_text(body), headers);
    return answer_of(response, fmt::format("{} {}", method, path));
  }

  // The dataset of the name that was given, which is made where there is none.
  const std::string& dataset() {
    if (dataset_.empty()) {
      try {
        find_dataset();
      } catch (const Refused& refused) {
        throw std::runtime_error("the dataset: " + std::string{refused.what()});
      }
    }
    return dataset_;
  }

  void find_dataset() {
    std::string cursor;
    do {
      // Without `q`, so that no character of the name needs care.
      const auto page = call("GET", "/datasets?limit=100" + cursor);
      for (const auto& each : page.at("items").as_array()) {
        if (dataset_.empty() && text(each, "name") == settings_.dataset) {
          dataset_ = text(each, "id");
        }
      }
      cursor = page.at("next_cursor").is_string() ? "&cursor=" + text(page, "next_cursor") : "";
    } while (dataset_.empty() && !cursor.empty());
    if (dataset_.empty()) {
      dataset_ = text(call("POST", "/datasets", json::object{{"name", settings_.dataset}}), "id");
      say("", fmt::format("dataset {} was made", settings_.dataset));
    }
  }

  // Uploads it; true once it is a video.
  bool bring(WatchedFile& file) {
    if (file.upload.empty()) {
      require_unchanged(file);
      if (access((settings_.folder / file.path).c_str(), R_OK) != 0) {
        throw Later("cannot be read", kPaymentInterval, true);
      }
      const auto name = fs::path{file.path}.filename().string();
      const auto meta = fmt::format("dataset_id {},name {}", base64(dataset()),
                                    base64(utf8_prefix(name, kNameBytes)));
      const auto made = client_.request("POST", "/api/v1/uploads", "",
                                        {{"Tus-Resumable", "1.0.0"},
                                         {"Upload-Length", std::to_string(file.size)},
                                         {"Upload-Metadata", meta}});
      if (made.status == 404) {
        dataset_.clear();
        throw Later("the dataset was deleted; it is made anew", kRetryInterval, false);
      }
      answer_of(made, "POST /uploads");
      const std::string& location = made.headers.at("location");
      file.upload = location.substr(location.rfind('/') + 1);
      journal_.put(file);
    }
    const std::string path = "/api/v1/uploads/" + file.upload;
    const auto head = client_.request("HEAD", path, "", {{"Tus-Resumable", "1.0.0"}});
    if (head.status == 404) {
      file.upload.clear();  // it expired
      journal_.put(file);
      return false;
    }
    std::optional<http::ClientResponse> problem;
    if (head.status == 200) {
      problem = send(file, path, std::stoll(head.headers.at("upload-offset")));
    }
    return stopping_ == 0 && adopt(file, problem);
  }

  // What it was answered, where that was a problem.
  std::optional<http::ClientResponse> send(const WatchedFile& file, const std::string& path,
                                           std::int64_t offset) {
    if (offset == file.size) {
      return std::nullopt;
    }
    std::ifstream in{settings_.folder / file.path, std::ios::binary};
    in.seekg(offset);
    std::string piece;
    while (offset < file.size && stopping_ == 0) {
      require_unchanged(file);
      piece.resize(static_cast<std::size_t>(std::min(kPieceBytes, file.size - offset)));
      if (!in.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
        require_unchanged(file);
        throw Later("cannot be read to its end", kPaymentInterval, true);
      }
      const auto sent = client_.request("PATCH", path, piece,
                                        {{"Tus-Resumable", "1.0.0"},
                                         {"Upload-Offset", std::to_string(offset)},
                                         {"Content-Type", "application/offset+octet-stream"}});
      if (sent.status != 204) {
        return sent;
      }
      offset += static_cast<std::int64_t>(piece.size());
    }
    return std::nullopt;
  }

  bool adopt(WatchedFile& file, const std::optional<http::ClientResponse>& problem) {
    const auto upload = call("GET", "/uploads/" + file.upload);
    const auto state = text(upload, "state");
    if (state == "refused") {
      const auto& why = upload.at("problem");
      const int status = json::value_to<int>(why.at("status"));
      if (status >= 500) {
        file.upload.clear();  // no fault of the file: from the beginning
        journal_.put(file);
        return false;
      }
      if (status != 402) {
        throw Refused{why};
      }
    }
    if (state == "refused" || state == "priced") {
      call("POST", "/uploads/" + file.upload + "/accept");
      return false;
    }
    if (state == "receiving" && problem && problem->status != 404) {
      answer_of(*problem, "PATCH /uploads/" + file.upload);  // of a proxy, or for later
    }
    if (state != "accepted") {
      return false;
    }
    if (upload.at("video_ids").as_array().empty()) {
      throw Refused{json::object{{"detail", "The video was deleted."}}};
    }
    file.video = json::value_to<std::string>(upload.at("video_ids").at(0));
    journal_.put(file);
    say(file.path, fmt::format("uploaded, video {}", file.video));
    return true;
  }

  void queue(WatchedFile& file) {
    // One whose answer was lost, maybe days ago.
    const auto before = call("GET", "/jobs?limit=1&video_id=" + file.video).at("items");
    if (!before.as_array().empty()) {
      file.job = text(before.at(0), "id");
      journal_.put(file);
      return;
    }
    const json::object request{{"video_ids", json::array{json::value(file.video)}},
                               {"params", settings_.params}};
    const auto answer = client_.request("POST", "/api/v1/jobs", json_text(request),
                                        {{"Idempotency-Key", "watch-" + file.video}});
    if (answer.status == 422) {  // this program knows them, and the server does not
      throw std::runtime_error("the server refuses the params: " + answer.body);
    }
    const auto made = answer_of(answer, "POST /jobs");
    file.job = text(made.at("jobs").at(0), "id");
    journal_.put(file);
    say(file.path,
        fmt::format("job {} is queued, {} tokens", file.job, json_text(made.at("cost"))));
  }

  // Writes the results; true once that is done.
  bool fetch(WatchedFile& file) {
    const auto job = call("GET", "/jobs/" + file.job);
    const auto status = text(job, "status");
    if (status == "PENDING" || status == "RUNNING") {
      return false;
    }
    if (status != "COMPLETED") {
      throw Refused{job};
    }
    const auto results = results_of(file);
    fs::create_directories(results);
    const auto& params = job.at("params").as_object();
    const auto wants = [&](const char* name) {
      const auto* value = params.if_contains(name);
      return value != nullptr && value->is_bool() && value->as_bool();
    };
    const auto download = [&](const char* what, const char* name) {
      const auto target = fmt::format("/api/v1/jobs/{}/{}", file.job, what);
      answer_of(client_.download(target, results / name), "GET " + target);
      sync_to_disk(results / name);
    };
    if (wants("images")) {
      download("images", "images.zip");
    }
    if (wants("video")) {
      download("video", "video.mp4");
    }
    download("result", "result.json");
    std::error_code none;
    fs::remove(results / "error.json", none);
    sync_to_disk(results);
    file.outcome = "done";
    journal_.put(file);
    say(file.path, fmt::format("done, results in {}{}", file.path, kResults));
    return true;
  }

  const FolderWatchSettings& settings_;
  const volatile std::sig_atomic_t& stopping_;
  http::Client client_;
  WatchJournal journal_;
  std::string dataset_;
  std::map<std::string, Seen> settling_;
  // When to try again what the server said is for later, and whether that needs somebody.
  std::map<std::string, std::pair<Clock::time_point, bool>> retry_at_;
  std::map<std::string, std::string> noted_;
  bool reached_ = true;
  bool refused_ = false;
  bool unreadable_ = false;
  bool all_done_ = true;
};

}  // namespace

bool watch_folder(const FolderWatchSettings& settings, const volatile std::sig_atomic_t& stopping) {
  return FolderWatch{settings, stopping}.run();
}

}  // namespace infernode::cli
