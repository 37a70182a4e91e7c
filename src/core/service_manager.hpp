#pragma once

#include <string_view>

namespace infernode {

// Tells the service manager that started this process how it stands (sd_notify(3)): "READY=1",
// "STOPPING=1". Without one (NOTIFY_SOCKET is not set) nothing happens; a message that cannot be
// sent is lost.
void notify_service_manager(std::string_view state);

}  // namespace infernode
