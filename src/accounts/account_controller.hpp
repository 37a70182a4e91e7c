#pragma once

#include "accounts/account_service.hpp"
#include "http/router.hpp"

namespace infernode {

// POST /auth/register, POST /auth/login, GET /users/me, the key set. `accounts` and `signer` must
// outlive the router.
void add_account_routes(http::Router& router, AccountService& accounts, const TokenSigner& signer);
// Recognises requests by their tokens.
http::Authenticator make_authenticator(AccountService& accounts);

}  // namespace infernode
