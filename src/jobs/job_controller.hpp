#pragma once

#include <boost/json.hpp>

#include "http/outgoing.hpp"
#include "idempotency/once_routes.hpp"
#include "jobs/job_service.hpp"

namespace infernode {

// /pipelines and /jobs. `jobs`, and `outgoing`, which says where webhooks may go, must outlive the
// router. `pipelines` gives what GET /pipelines answers.
void add_job_routes(OnceRoutes& routes, JobService& jobs, const http::Outgoing& outgoing,
                    std::function<boost::json::object()> pipelines);

}  // namespace infernode
