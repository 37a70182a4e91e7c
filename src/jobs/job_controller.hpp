#pragma once

#include <boost/json.hpp>

#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"
#include "jobs/job_service.hpp"

namespace infernode {

// /pipelines and /jobs. Both services must outlive the router. `params_schema`: JSON Schema of the
// params of a job.
void add_job_routes(http::Router& router, JobService& jobs, IdempotencyService& once,
                    boost::json::value params_schema);

}  // namespace infernode
