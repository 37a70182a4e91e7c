#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "app/app.hpp"
#include "blobs/postgres_chunks.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "inference/golden.hpp"
#include "inference/manifest.hpp"
#include "inference/model_catalogue.hpp"
#include "inference/onnx_session.hpp"
#include "models/model_service.hpp"
#include "runner/host/model_tester.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
namespace asio = boost::asio;

void list_models(bool as_json) {
  const Config config = load_settings();
  const auto folder = inference::model_folder(config.model_dir);
  const auto models = inference::load_catalogue(folder);
  if (as_json) {
    json::array items;
    for (const auto& model : models.models()) {
      items.push_back(json::object{{"name", model.name},
                                   {"pipeline", model.pipeline},
                                   {"description", model.description},
                                   {"source", model.source},
                                   {"license", model.license},
                                   {"sha256", model.sha256},
                                   {"file", model.file.string()},
                                   {"labels", json::value_from(model.labels)},
                                   {"keypoints", json::value_from(model.keypoints)}});
    }
    std::printf("%s\n", json_text(items).c_str());
    return;
  }
  std::printf("%s, models in %s\n", inference::runtime_version().c_str(), folder.c_str());
  if (models.empty()) {
    std::printf("  none; './run' installs some\n");
  }
  for (const auto& model : models.models()) {
    std::printf("  %-18s %-8s %s (%s)\n  %-18s sha256 %s\n", model.name.c_str(),
                model.pipeline.c_str(), model.description.c_str(), model.license.c_str(), "",
                model.sha256.c_str());
  }
}

// More than a manifest may have, so that one that has more is told so.
constexpr std::size_t kMaxManifestRead = 2 * 1024 * 1024;

struct TestOptions {
  std::string name;      // a model of the folder; all of them if empty
  std::string file;      // or an ONNX file
  std::string manifest;  // and its manifest
  std::string picture;   // instead of the golden one
  bool record = false;
  bool as_json = false;
};

// A file whose bytes a runner asks for.
class GivenFile {
public:
  explicit GivenFile(fs::path path) : path_{std::move(path)}, in_{path_, std::ios::binary} {
    if (!in_) {
      throw std::runtime_error(fmt::format("{} cannot be read", path_.string()));
    }
    size_ = static_cast<std::int64_t>(fs::file_size(path_));
  }
  std::int64_t size() const { return size_; }
  std::vector<std::byte> read(std::int64_t offset, std::size_t most) {
    const auto left = static_cast<std::size_t>(std::max<std::int64_t>(0, size_ - offset));
    std::vector<std::byte> bytes(std::min(most, left));
    in_.clear();
    in_.seekg(offset);
    in_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in_.gcount()));
    return bytes;
  }

private:
  fs::path path_;
  std::ifstream in_;
  std::int64_t size_ = 0;
};

std::string manifest_text(const fs::path& path) {
  GivenFile file{path};
  const auto bytes = file.read(0, kMaxManifestRead);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<runner::ModelFindings> findings_of(const std::string& manifest, const fs::path& file,
                                          const fs::path& picture, double confidence) {
  GivenFile model{file};
  GivenFile shown{picture};
  runner::ModelTrial trial{manifest, model.size(), shown.size(), confidence};
  const auto limits = runner::trial_limits(trial);
  asio::io_context context;
  std::optional<Result<runner::ModelFindings>> findings;
  std::exception_ptr failure;
  runner::SourceReader read = [&](std::uint32_t source, std::int64_t offset,
                                  std::size_t most) -> asio::awaitable<std::vector<std::byte>> {
    co_return (source == 0 ? model : shown).read(offset, most);
  };
  auto work = [&]() -> asio::awaitable<void> {
    findings = co_await runner::try_model(context.get_executor(), trial, limits, read);
  };
  asio::co_spawn(context, work(), [&](const std::exception_ptr& error) { failure = error; });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  return std::move(*findings);
}

// What became of one model.
struct Trial {
  std::string name;
  std::vector<std::string> faults;
  std::size_t objects = 0;
  bool compared = false;
  double load_seconds = 0;
  double run_seconds = 0;
  json::object recorded;
};

Trial try_one(const fs::path& manifest, const fs::path& file, const TestOptions& options) {
  const std::string text = manifest_text(manifest);
  Trial trial{manifest.stem().string(), {}, 0, false, 0, 0, {}};
  const auto model = inference::read_manifest(text);
  if (!model) {
    trial.faults.push_back(fmt::format("the manifest: {}", model.error().detail));
    return trial;
  }
  trial.name = model->name;
  auto golden = model->golden.value_or(inference::Golden{});
  if (options.picture.empty() && golden.picture.empty()) {
    trial.faults.emplace_back(
        "its manifest names no picture to try it on ('golden'); give one with --picture, and what "
        "is found can be kept with --record");
    return trial;
  }
  if (!options.picture.empty()) {
    golden.picture = fs::path{options.picture}.filename().string();
    if (model->confidence && !model->golden) {
      golden.confidence = *model->confidence;
    }
  }
  const fs::path picture =
      options.picture.empty() ? manifest.parent_path() / golden.picture : fs::path{options.picture};
  const auto findings = findings_of(text, file, picture, golden.confidence);
  if (!findings) {
    trial.faults.push_back(findings.error().detail);
    return trial;
  }
  trial.objects = findings->objects.size();
  trial.load_seconds = findings->load_seconds;
  trial.run_seconds = findings->run_seconds;
  trial.recorded = inference::golden_from_found(golden, findings->objects);
  trial.compared = options.picture.empty();
  if (trial.compared) {
    trial.faults = inference::golden_differences(golden, findings->objects);
  }
  return trial;
}

void print(const Trial& trial, const TestOptions& options) {
  if (options.as_json) {
    std::printf("%s\n", json_text(json::object{{"name", trial.name},
                                               {"faults", json::value_from(trial.faults)},
                                               {"objects", trial.objects},
                                               {"compared", trial.compared},
                                               {"load_seconds", trial.load_seconds},
                                               {"run_seconds", trial.run_seconds}})
                            .c_str());
    return;
  }
  if (trial.faults.empty()) {
    fmt::print("{:<18} ok: {} objects{}; loaded in {:.2f} s, {:.0f} ms the picture\n", trial.name,
               trial.objects, trial.compared ? ", as expected" : "", trial.load_seconds,
               trial.run_seconds * 1e3);
  } else {
    fmt::print("{:<18} is not sound:\n", trial.name);
    for (const auto& fault : trial.faults) {
      fmt::print("  {}\n", fault);
    }
  }
  if (options.record && !trial.recorded.empty()) {
    fmt::print("\"golden\": {}\n", json_text(trial.recorded));
  }
}

// The status: 0 where every model is sound.
int test_models(const TestOptions& options) {
  if (options.file.empty() != options.manifest.empty()) {
    throw std::runtime_error("--file and --manifest belong together");
  }
  std::vector<std::pair<fs::path, fs::path>> tried;  // manifest and file
  if (!options.file.empty()) {
    tried.emplace_back(options.manifest, options.file);
  } else {
    const Config config = load_settings();
    const auto folder = inference::model_folder(config.model_dir);
    const auto models = inference::load_catalogue(folder, inference::Hashes::no);
    for (const auto& model : models.models()) {
      if (options.name.empty() || model.name == options.name) {
        tried.emplace_back(inference::manifest_beside(model.file), model.file);
      }
    }
    if (tried.empty()) {
      throw std::runtime_error(
          options.name.empty() ? fmt::format("there is no model in {}", folder.string())
                               : fmt::format("there is no model {} in {}; models:list has them all",
                                             options.name, folder.string()));
    }
  }
  int status = 0;
  for (const auto& [manifest, file] : tried) {
    const auto trial = try_one(manifest, file, options);
    print(trial, options);
    status = trial.faults.empty() ? status : 1;
  }
  return status;
}

struct AddOptions {
  std::string file;
  std::string manifest;
  std::string picture;
};

// Runs `work` with the database of the settings.
void with_models(const std::function<asio::awaitable<void>(ModelService&, BlobStore&)>& work) {
  const Config config = load_settings();
  const Database database{config};
  asio::io_context context{1};
  db::Pool pool{context.get_executor(), database.conninfo(), 2};
  PostgresChunks chunks{pool, pool};
  BlobStore blobs{pool, chunks};
  AuditService audit{pool};
  const auto shipped =
      inference::load_catalogue(inference::model_folder(config.model_dir), inference::Hashes::no);
  ModelService models{pool, blobs, audit, shipped,
                      app::make_model_trial(context.get_executor(), blobs)};
  std::exception_ptr failure;
  asio::co_spawn(context, work(models, blobs), [&](const std::exception_ptr& error) {
    failure = error;
    pool.close();
  });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

// With every place that is wrong.
[[noreturn]] void refuse(const Error& error) {
  std::string text = error.detail;
  for (const auto& field : error.fields) {
    if (field.detail != error.detail) {
      text += fmt::format("\n  {}: {}", field.pointer, field.detail);
    }
  }
  throw std::runtime_error(text);
}

asio::awaitable<void> add_model(ModelService& models, BlobStore& blobs, AddOptions options) {
  NewModel model;
  model.manifest = manifest_text(options.manifest);
  const auto checked = models.check(model.manifest);
  if (!checked) {
    refuse(checked.error());
  }
  const fs::path picture = options.picture.empty() ? fs::path{options.manifest}.parent_path() /
                                                         checked->golden.value().picture
                                                   : fs::path{options.picture};
  GivenFile shown{picture};
  GivenFile file{options.file};
  const auto fits = ModelService::check_sizes(file.size(), shown.size());
  if (!fits) {
    refuse(fits.error());
  }
  if (file.size() == 0) {
    throw std::runtime_error(options.file + " is empty");
  }
  model.picture = shown.read(0, static_cast<std::size_t>(shown.size()));
  BlobWriter writer{blobs};
  Sha256 sha;
  for (std::int64_t at = 0; at < file.size();) {
    auto bytes = file.read(at, BlobStore::kChunkBytes);
    at += static_cast<std::int64_t>(bytes.size());
    sha.update(bytes);
    co_await writer.write(std::move(bytes));
  }
  co_await writer.finish();
  model.file = writer.id().value();
  model.file_bytes = writer.size();
  model.sha256 = hex(sha.finish());
  std::exception_ptr failure;
  std::optional<Result<inference::Model>> added;
  try {
    added = co_await models.add(std::nullopt, std::move(model));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure || !*added) {
    co_await blobs.try_discard(*writer.id());
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  if (!*added) {
    refuse(added->error());
  }
  fmt::print("{} was tried and added; every worker has it in a moment\n", (*added)->name);
}

asio::awaitable<void> remove_model(ModelService& models, std::string name) {
  const auto removed = co_await models.remove(std::nullopt, name);
  if (!removed) {
    refuse(removed.error());
  }
  fmt::print("{} was removed\n", name);
}

void add_models_add_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "models:add",
                              "Try a model and add it to the installation, for all of its workers");
  auto options = std::make_shared<AddOptions>();
  command->add_option("FILE", options->file, "The ONNX file")->required()->check(CLI::ExistingFile);
  command->add_option("--manifest", options->manifest, "Its manifest")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--picture", options->picture,
                   "What it is tried on; the manifest's 'golden' names one beside it")
      ->check(CLI::ExistingFile);
  command->callback([&status, options] {
    with_models(
        [&](ModelService& models, BlobStore& blobs) { return add_model(models, blobs, *options); });
    status = 0;
  });
}

void add_models_remove_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "models:remove", "Remove a model that was added");
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "Its name")->required();
  command->callback([&status, name] {
    with_models([&](ModelService& models, BlobStore&) { return remove_model(models, *name); });
    status = 0;
  });
}

}  // namespace

void add_models_command(CLI::App& app, int& status) {
  auto* list = add_command(app, "models:list", "List the models in the folder of models");
  auto as_json = std::make_shared<bool>(false);
  list->add_flag("--json", *as_json, "For programs");
  list->callback([&status, as_json] {
    list_models(*as_json);
    status = 0;
  });

  auto* test = add_command(
      app, "models:test",
      "Load models in a box and run each on a picture; the status is 1 if one is not sound");
  auto options = std::make_shared<TestOptions>();
  test->add_option("NAME", options->name, "A model of models:list; all of them if not given");
  test->add_option("--file", options->file, "An ONNX file that is in no folder yet")
      ->check(CLI::ExistingFile);
  test->add_option("--manifest", options->manifest, "Its manifest")->check(CLI::ExistingFile);
  test->add_option("--picture", options->picture,
                   "A JPEG or PNG instead of the manifest's own; nothing is expected of it then")
      ->check(CLI::ExistingFile);
  test->add_flag("--record", options->record, "Print what is found as a manifest's 'golden'");
  test->add_flag("--json", options->as_json, "For programs, a line a model");
  test->callback([&status, options] { status = test_models(*options); });
  add_models_add_command(app, status);
  add_models_remove_command(app, status);
}

}  // namespace infernode::cli
