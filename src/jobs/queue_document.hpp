#pragma once

#include <boost/json.hpp>

#include "jobs/queue_state.hpp"

namespace infernode {

// As GET /admin/queue shows it.
boost::json::object queue_json(const QueueState& queue);

}  // namespace infernode
