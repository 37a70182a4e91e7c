// What NVIDIA's library would say of two cards, for machines that have none: one draws 1.5 J each
// time that it is asked, the other nothing.
namespace {
unsigned long long drawn_millijoules = 1'000'000;
}  // namespace

extern "C" {
int nvmlInit_v2() {
  return 0;
}
int nvmlShutdown() {
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** card) {
  *card = index == 0 ? &drawn_millijoules : nullptr;
  return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void* card, unsigned long long* millijoules) {
  *millijoules = card == nullptr ? 0 : drawn_millijoules += 1'500;
  return 0;
}
}
