#include "jobs/worker_info.hpp"

#include <gtest/gtest.h>

namespace infernode {
namespace {

// A job that an older server accepted asks for a model by its name alone.
TEST(WorkerInfo, OffersAModelWithItsRevisionAndWithout) {
  WorkerInfo worker;
  worker.devices = {"cpu"};
  worker.models = {"centernet@0123456789ab", "plain"};
  EXPECT_EQ(worker.offers(), (std::vector<std::string>{"device:cpu", "model:centernet@0123456789ab",
                                                       "model:centernet", "model:plain"}));
}

}  // namespace
}  // namespace infernode
