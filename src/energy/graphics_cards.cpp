#include "energy/graphics_cards.hpp"

#include <dlfcn.h>

#include <vector>

namespace infernode::energy {

// The functions by their names in nvml.h; each returns 0 for success.
struct GraphicsCards::Library {
  explicit Library(const std::string& file) : handle{dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)} {
    const auto init = function<int()>("nvmlInit_v2");
    const auto count = function<int(unsigned*)>("nvmlDeviceGetCount_v2");
    const auto card = function<int(unsigned, void**)>("nvmlDeviceGetHandleByIndex_v2");
    energy = function<int(void*, unsigned long long*)>("nvmlDeviceGetTotalEnergyConsumption");
    shutdown = function<int()>("nvmlShutdown");
    if (init == nullptr || count == nullptr || card == nullptr || energy == nullptr ||
        shutdown == nullptr || init() != 0) {
      return;
    }
    initialised = true;
    unsigned number = 0;
    if (count(&number) != 0) {
      return;
    }
    for (unsigned i = 0; i < number; ++i) {
      void* found = nullptr;
      if (card(i, &found) != 0) {
        cards.clear();
        return;
      }
      cards.push_back(found);
    }
  }
  ~Library() {
    if (initialised) {
      shutdown();
    }
    if (handle != nullptr) {
      dlclose(handle);
    }
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  template <class Signature>
  Signature* function(const char* name) const {
    return handle == nullptr ? nullptr : reinterpret_cast<Signature*>(dlsym(handle, name));
  }

  void* handle;
  bool initialised = false;
  std::vector<void*> cards;
  int (*energy)(void*, unsigned long long*) = nullptr;
  int (*shutdown)() = nullptr;
};

GraphicsCards::GraphicsCards(const std::string& library)
    : library_{std::make_unique<Library>(library)} {}

GraphicsCards::~GraphicsCards() = default;

std::optional<double> GraphicsCards::joules() const {
  if (library_->cards.empty()) {
    return std::nullopt;
  }
  double joules = 0;
  for (void* card : library_->cards) {
    unsigned long long millijoules = 0;
    if (library_->energy(card, &millijoules) != 0) {
      return std::nullopt;
    }
    joules += static_cast<double>(millijoules) / 1e3;
  }
  return joules;
}

}  // namespace infernode::energy
