#pragma once

#include <functional>

#include "core/origin_set.hpp"
#include "events/event_hub.hpp"
#include "http/router.hpp"

namespace infernode {

// Whether a user has a job.
using OwnsJob = std::function<asio::awaitable<Result<void>>(UserId user, JobId job)>;

// Server-Sent Events and the WebSocket of events. `authenticate` is asked again now and then, so
// that a token that was revoked ends what it began; `origins` are those of pages that may connect
// besides the server's own. `hub` must outlive the router.
void add_event_routes(http::Router& router, EventHub& hub, http::Authenticator authenticate,
                      OriginSet origins, OwnsJob owns_job);

}  // namespace infernode
