#pragma once

#include "http/router.hpp"
#include "jobs/segment_service.hpp"

namespace infernode {

// GET /admin/queue. `segments` must outlive the router.
void add_queue_routes(http::Router& router, SegmentService& segments);

}  // namespace infernode
