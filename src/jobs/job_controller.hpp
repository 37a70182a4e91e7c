#pragma once

#include <boost/json.hpp>

#include "http/router.hpp"
#include "jobs/job_service.hpp"

namespace infernode {

// /pipelines and /jobs. `jobs` must outlive the router. `params_schema`: the JSON Schema of the
// pipeline `detect`, as the API document has it.
void add_job_routes(http::Router& router, JobService& jobs, boost::json::value params_schema);

}  // namespace infernode
