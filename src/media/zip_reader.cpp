#include "media/zip_reader.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <new>
#include <set>
#include <string_view>

#include "core/json.hpp"
#include "media/container.hpp"

namespace infernode::media {
namespace {

constexpr std::size_t kUnpackBytes = 256 * 1024;
// DEFLATE makes 1,032 bytes of one at most; what a camera writes hardly shrinks at all.
constexpr std::int64_t kMostRatio = 200;
constexpr std::int64_t kSmallBytes = 1024 * 1024;  // of which nobody makes a bomb
constexpr zip_uint8_t kUnix = 3;                   // who wrote an entry (APPNOTE 4.4.2.2)
constexpr zip_uint8_t kDarwin = 19;

[[noreturn]] void refuse(const std::string& text) {
  throw MediaError(MediaFault::damaged, text);
}

// As it is named to people: any byte may be in it.
std::string shown(std::string_view name) {
  std::string text{utf8_prefix(name, 100)};
  if (!is_utf8(text) || has_control_character(text)) {
    for (char& letter : text) {
      letter = letter >= 0x20 && letter < 0x7f ? letter : '?';
    }
  }
  return fmt::format("\"{}\"", text);
}

bool leads_out(std::string_view name) {
  if (name.starts_with('/') || name.find('\\') != std::string_view::npos ||
      (name.size() > 1 && name[1] == ':')) {
    return true;
  }
  const std::string whole = fmt::format("/{}/", name);
  return whole.find("/../") != std::string::npos || whole.find("/./") != std::string::npos;
}

// What systems put into folders, and hidden files.
bool is_left_out(std::string_view name) {
  const auto base = name.substr(name.rfind('/') + 1);
  return name.ends_with('/') || name.starts_with("__MACOSX/") || base.starts_with('.') ||
         base == "Thumbs.db" || base == "desktop.ini";
}

bool is_archive(std::string_view name) {
  std::string end{name.substr(name.size() - std::min<std::size_t>(name.size(), 4))};
  std::transform(end.begin(), end.end(), end.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return end == ".zip";
}

// Stretch of the archive that was read for one thing.
struct Stretch {
  std::int64_t begin = 0;
  std::int64_t end = 0;  // none: 0
};

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct Close {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

// libzip's view of the source. It notes where is read, so that files which share bytes of the
// archive, which libzip does not see, are seen without a parser of our own.
struct ZipReader::Archive {
  ByteSource& source;
  std::int64_t at = 0;
  Stretch read;                // since it was last set back
  std::exception_ptr failure;  // of the source, which must not cross libzip's frames
  zip_error_t error{};
  std::unique_ptr<zip_t, Discard> zip;
  std::vector<Stretch> stretches;  // of the files that were unpacked

  explicit Archive(ByteSource& bytes) : source{bytes} {
    zip_error_init(&error);
    zip_source_t* const own = zip_source_function_create(serve, this, &error);
    if (own == nullptr) {
      throw std::bad_alloc();
    }
    zip.reset(zip_open_from_source(own, ZIP_RDONLY | ZIP_CHECKCONS, &error));
    if (!zip) {
      zip_source_free(own);
      fail("the rest of it", zip_error_code_zip(&error));
    }
  }
  ~Archive() {
    zip.reset();
    zip_error_fini(&error);
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // Says why a part of it, or all, cannot be read.
  [[noreturn]] void fail(const std::string& what, int code) const {
    if (failure) {
      std::rethrow_exception(failure);
    }
    switch (code) {
      case ZIP_ER_MEMORY:
        throw std::bad_alloc();
      case ZIP_ER_NOZIP:
        refuse("The ZIP is cut off, or none: it has no directory at its end.");
      case ZIP_ER_INCONS:
        refuse("The ZIP's directory does not agree with " + what + ": the archive is damaged.");
      case ZIP_ER_EXISTS:
        refuse("The ZIP has two files of the same name: one is there twice.");
      case ZIP_ER_CRC:
        refuse(what + " is damaged: its checksum does not fit.");
      case ZIP_ER_MULTIDISK:
        refuse("The ZIP is one of several parts; send it as one.");
      default: {
        zip_error_t text{};
        zip_error_init_with_code(&text, code);
        const std::string reason = zip_error_strerror(&text);
        zip_error_fini(&text);
        refuse(fmt::format("The ZIP cannot be read at {}: {}.", what, reason));
      }
    }
  }

  zip_int64_t read_on(void* data, zip_uint64_t length) {
    try {
      const auto got = static_cast<std::int64_t>(
          source.read_at(at, {static_cast<std::byte*>(data), static_cast<std::size_t>(length)}));
      if (got > 0) {
        read.begin = read.end == 0 ? at : std::min(read.begin, at);
        read.end = std::max(read.end, at + got);
      }
      at += got;
      return got;
    } catch (...) {
      failure = std::current_exception();
      zip_error_set(&error, ZIP_ER_READ, 0);
      return -1;
    }
  }

  static zip_int64_t serve(void* state, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    auto& self = *static_cast<Archive*>(state);
    switch (command) {
      case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                              ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                              ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, -1);
      case ZIP_SOURCE_OPEN:
        self.at = 0;
        return 0;
      case ZIP_SOURCE_READ:
        return self.read_on(data, length);
      case ZIP_SOURCE_SEEK: {
        const auto place = zip_source_seek_compute_offset(
            static_cast<zip_uint64_t>(self.at), static_cast<zip_uint64_t>(self.source.size()), data,
            length, &self.error);
        if (place < 0) {
          return -1;
        }
        self.at = place;
        return 0;
      }
      case ZIP_SOURCE_TELL:
        return self.at;
      case ZIP_SOURCE_STAT: {
        auto* const stat = static_cast<zip_stat_t*>(data);
        zip_stat_init(stat);
        stat->size = static_cast<zip_uint64_t>(self.source.size());
        stat->valid |= ZIP_STAT_SIZE;
        return sizeof(zip_stat_t);
      }
      case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&self.error, data, length);
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_FREE:
        return 0;
      default:
        zip_error_set(&self.error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
  }

  zip_stat_t stat_of(zip_uint64_t place) {
    zip_stat_t stat{};
    zip_stat_init(&stat);
    if (zip_stat_index(zip.get(), place, 0, &stat) != 0) {
      fail("a file", zip_error_code_zip(zip_get_error(zip.get())));
    }
    return stat;
  }

  // A link, a device and so on; what has no type is a file.
  bool is_special(zip_uint64_t place) {
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_file_get_external_attributes(zip.get(), place, 0, &system, &attributes) != 0) {
      return true;
    }
    const mode_t type = (attributes >> 16U) & S_IFMT;
    return (system == kUnix || system == kDarwin) && type != 0 && type != S_IFREG;
  }
};

ZipReader::ZipReader(ByteSource& source, std::int64_t most_bytes)
    : archive_{std::make_unique<Archive>(source)} {
  list(most_bytes);
}

ZipReader::~ZipReader() = default;

void ZipReader::list(std::int64_t most_bytes) {
  auto& archive = *archive_;
  const auto entries = zip_get_num_entries(archive.zip.get(), 0);
  // Those that are left out count a little, too.
  if (entries > static_cast<zip_int64_t>(4 * kMaxPackedFiles)) {
    refuse(fmt::format("The ZIP has {} entries; it may have {} files.", entries, kMaxPackedFiles));
  }
  std::set<std::string> names;
  std::int64_t packed = 0;
  std::int64_t unpacked = 0;
  for (zip_uint64_t place = 0; place < static_cast<zip_uint64_t>(entries); ++place) {
    // As it is written there, or, where that is no UTF-8, from the code page of old.
    const char* const text = zip_get_name(archive.zip.get(), place, ZIP_FL_ENC_GUESS);
    const std::string name = text == nullptr ? "" : text;
    if (name.empty() || !is_utf8(name) || has_control_character(name)) {
      refuse(fmt::format("The ZIP has a file without a readable name ({}).", shown(name)));
    }
    if (leads_out(name)) {
      refuse(shown(name) + " leads out of the ZIP: a name has no \"..\" and no root.");
    }
    const auto stat = archive.stat_of(place);
    const auto compressed = static_cast<std::int64_t>(stat.comp_size);
    const auto size = static_cast<std::int64_t>(stat.size);
    if (compressed < 0 || size < 0 || compressed > archive.source.size() - packed) {
      refuse(shown(name) + " shares its bytes with another file, or has more than the ZIP.");
    }
    packed += compressed;
    if (name.ends_with('/') ? size > 0 : archive.is_special(place)) {
      refuse(shown(name) + " is no file: links and devices are not taken.");
    }
    if (is_left_out(name)) {
      continue;
    }
    if (name.size() > kMaxPackedName) {
      refuse(fmt::format("{} has a name of more than {} bytes.", shown(name), kMaxPackedName));
    }
    if (!names.insert(name).second) {
      refuse(shown(name) + " is there twice.");
    }
    if (is_archive(name)) {
      refuse(shown(name) + " is a ZIP in the ZIP; send it by itself.");
    }
    if (stat.encryption_method != ZIP_EM_NONE) {
      refuse(shown(name) + " is encrypted; send it without a password.");
    }
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
      refuse(fmt::format("{} is compressed by method {}; pack it with Deflate, or without.",
                         shown(name), stat.comp_method));
    }
    if (size == 0) {
      refuse(shown(name) + " is empty.");
    }
    if (size > kSmallBytes && size / kMostRatio > compressed) {
      refuse(fmt::format("{} unpacks to over {} times its size, as no video does.", shown(name),
                         kMostRatio));
    }
    if (size > most_bytes - unpacked) {
      refuse(fmt::format("The ZIP unpacks to more than {} bytes.", most_bytes));
    }
    unpacked += size;
    if (files_.size() == kMaxPackedFiles) {
      refuse(fmt::format("The ZIP has more than {} files.", kMaxPackedFiles));
    }
    files_.push_back({name, size});
    places_.push_back(place);
  }
  if (files_.empty()) {
    refuse("The ZIP has no file.");
  }
}

void ZipReader::read(const std::function<void(std::span<const std::byte>)>& sink) {
  for (std::size_t file = 0; file < files_.size(); ++file) {
    read_file(file, sink);
  }
}

void ZipReader::read_file(std::size_t file,
                          const std::function<void(std::span<const std::byte>)>& sink) {
  auto& archive = *archive_;
  const auto& [name, size] = files_[file];
  archive.read = {};
  const std::unique_ptr<zip_file_t, Close> open{
      zip_fopen_index(archive.zip.get(), places_[file], 0)};
  if (!open) {
    archive.fail(shown(name), zip_error_code_zip(zip_get_error(archive.zip.get())));
  }
  std::vector<std::byte> buffer(kUnpackBytes);
  std::int64_t left = size;
  for (;;) {
    const auto got = zip_fread(open.get(), buffer.data(), buffer.size());
    if (got < 0) {
      archive.fail(shown(name), zip_error_code_zip(zip_file_get_error(open.get())));
    }
    if (got > left) {
      refuse(shown(name) + " unpacks to more bytes than the ZIP says.");
    }
    if (got == 0) {
      break;
    }
    left -= got;
    sink({buffer.data(), static_cast<std::size_t>(got)});
  }
  if (left != 0) {
    refuse(shown(name) + " unpacks to fewer bytes than the ZIP says.");
  }
  for (const auto& other : archive.stretches) {
    if (archive.read.begin < other.end && other.begin < archive.read.end) {
      refuse(shown(name) + " shares its bytes with another file.");
    }
  }
  archive.stretches.push_back(archive.read);
}

}  // namespace infernode::media
