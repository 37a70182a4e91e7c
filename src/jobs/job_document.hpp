#pragma once

#include <boost/json.hpp>

#include "jobs/job.hpp"

namespace infernode {

// A job as clients and webhooks see it.
boost::json::object job_json(const Job& job);

}  // namespace infernode
