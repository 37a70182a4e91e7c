#pragma once

#include "accounts/account_service.hpp"
#include "http/router.hpp"

namespace infernode {

// /auth, /users/me, /admin/users (but for recharging) and the key set. `accounts` and `signer` must
// outlive the router.
void add_account_routes(http::Router& router, AccountService& accounts, const TokenSigner& signer);
// Recognises requests by their tokens.
http::Authenticator make_authenticator(AccountService& accounts);

}  // namespace infernode
