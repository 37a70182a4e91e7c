#pragma once

#include <string>
#include <vector>

#include "inference/decoders/boxes.hpp"
#include "inference/preprocessing.hpp"
#include "inference/runner_models.hpp"
#include "media/frame_reader.hpp"

namespace infernode {

// Finds objects in frames, one at a time; several may use one loaded model at once.
class Detector {
public:
  // `loaded` must outlive it. `classes`: the ids to keep, all if empty.
  Detector(const inference::LoadedModel& loaded, double confidence, std::vector<int> classes);

  std::vector<inference::Detection> detect(const media::DecodedFrame& frame);
  const inference::Model& model() const { return loaded_.model; }

private:
  const inference::LoadedModel& loaded_;
  double confidence_;
  std::vector<int> classes_;
  inference::Preprocessor preprocessor_;
};

}  // namespace infernode
