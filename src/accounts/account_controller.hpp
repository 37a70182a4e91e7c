#pragma once

#include "accounts/account_service.hpp"
#include "accounts/user_administration.hpp"
#include "http/router.hpp"
#include "idempotency/once_routes.hpp"

namespace infernode {

// /auth, /users/me, /admin/users (but for recharging) and the key set. Everything must
// outlive the router.
void add_account_routes(OnceRoutes& routes, AccountService& accounts,
                        UserAdministration& administration, const TokenSigner& signer);
// /users/me/keys, in credential_controller.cpp.
void add_credential_routes(OnceRoutes& routes, CredentialService& credentials);
// Recognises requests by their tokens, API keys or cookies.
http::Authenticator make_authenticator(AccountService& accounts);

}  // namespace infernode
