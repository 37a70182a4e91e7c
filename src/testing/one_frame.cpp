#include "testing/one_frame.hpp"

#include <stdexcept>

#include "inference/runner_models.hpp"
#include "media/frame_reader.hpp"
#include "testing/file_source.hpp"

namespace infernode::test {

FrameResult result_of_frame(const Pipeline& pipeline, const boost::json::object& params,
                            const std::string& clip, int index) {
  const auto resolved =
      pipeline.resolve(params, {index + 1}, inference::load_catalogue(INFERNODE_MODELS));
  if (!resolved) {
    throw std::runtime_error(resolved.error().detail);
  }
  std::vector<std::string> files;
  for (const auto& name : pipeline.models(*resolved)) {
    files.push_back(std::string{INFERNODE_MODELS} + "/" + name + ".onnx");
  }
  const inference::RunnerModels models{inference::read_models(files), inference::Device::cpu};
  MemorySource source{read_file(INFERNODE_SOURCE_DIR "/" + clip)};
  media::FrameReader reader{source, std::nullopt};
  auto frame = reader.next();
  for (int i = 0; i < index && frame; ++i) {
    frame = reader.next();
  }
  if (!frame) {
    throw std::runtime_error("the clip is shorter");
  }
  const auto task = pipeline.open(*resolved, models);
  return task->new_worker()->work(*frame);
}

}  // namespace infernode::test
