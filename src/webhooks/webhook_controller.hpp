#pragma once

#include "idempotency/once_routes.hpp"
#include "webhooks/webhook_service.hpp"

namespace infernode {

// /webhooks. `webhooks` must outlive the router.
void add_webhook_routes(OnceRoutes& routes, WebhookService& webhooks);

}  // namespace infernode
