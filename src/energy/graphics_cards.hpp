#pragma once

#include <memory>
#include <optional>
#include <string>

namespace infernode::energy {

// The energy counters of the machine's graphics cards, through NVIDIA's management library (NVML),
// which is loaded where it is there.
class GraphicsCards {
public:
  // `library`: changed by tests only. Takes as long as the driver does; never throws.
  explicit GraphicsCards(const std::string& library = "libnvidia-ml.so.1");
  ~GraphicsCards();
  GraphicsCards(const GraphicsCards&) = delete;
  GraphicsCards& operator=(const GraphicsCards&) = delete;

  // What all cards have drawn since the driver was loaded, in joules (nvmlDeviceGetTotalEnergy-
  // Consumption); nullopt where the library is not there, or one of the cards does not tell.
  std::optional<double> joules() const;

private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace infernode::energy
