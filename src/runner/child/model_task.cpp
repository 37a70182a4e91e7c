#include "runner/child/model_task.hpp"

#include <chrono>
#include <new>
#include <stdexcept>
#include <vector>

#include "core/clock.hpp"
#include "inference/manifest.hpp"
#include "inference/runner_models.hpp"
#include "media/picture.hpp"
#include "pipelines/frame_task.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

std::vector<std::byte> read_all(Channel& channel, std::uint32_t number, std::int64_t size) {
  ChannelSource source{channel, number, size};
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < bytes.size();) {
    const auto got = source.read_at(static_cast<std::int64_t>(at), std::span{bytes}.subspan(at));
    if (got == 0) {
      throw std::runtime_error("the file ended early");
    }
    at += got;
  }
  return bytes;
}

json::object try_model(const json::value& task, const PipelineCatalogue& pipelines,
                       Channel& channel) {
  auto model = inference::read_manifest(json::value_to<std::string>(task.at("manifest")));
  if (!model) {
    throw std::runtime_error(model.error().detail);
  }
  const auto* pipeline = pipelines.find(model->pipeline);
  if (pipeline == nullptr) {
    throw std::runtime_error("there is no pipeline " + model->pipeline);
  }
  const auto params = pipeline->resolve({{"pipeline", model->pipeline},
                                         {"model", model->name},
                                         {"confidence", task.at("confidence")},
                                         {"images", false}},
                                        VideoFacts{1}, inference::ModelCatalogue{{*model}});
  if (!params) {
    throw std::runtime_error(params.error().detail);
  }
  auto file = read_all(channel, 0, json::value_to<std::int64_t>(task.at("model_bytes")));
  const auto picture = read_all(channel, 1, json::value_to<std::int64_t>(task.at("picture_bytes")));
  const auto loading = std::chrono::steady_clock::now();
  std::vector<inference::ModelFile> files;
  files.push_back({std::move(*model), std::move(file)});
  const inference::RunnerModels models{std::move(files), inference::Device::cpu};
  const double load_seconds = seconds_since(loading);
  for (const auto& [name, loaded] : models.all()) {
    loaded.session->refuse_nan();
  }
  const auto frame = media::decode_picture(picture);
  const auto work = pipeline->open(*params, models);
  const auto worker = work->new_worker();
  const auto running = std::chrono::steady_clock::now();
  const auto result = worker->work(frame);
  const double run_seconds = seconds_since(running);
  return {{"objects", json::parse(result.json).at("objects")},
          {"load_seconds", load_seconds},
          {"run_seconds", run_seconds}};
}

}  // namespace

json::object run_model_task(const json::value& task, const PipelineCatalogue& pipelines,
                            Channel& channel) {
  try {
    return try_model(task, pipelines, channel);
  } catch (const std::bad_alloc&) {
    throw std::runtime_error("the model needs more memory than models of its size are given");
  }
}

}  // namespace infernode::runner
