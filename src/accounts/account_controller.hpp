#pragma once

#include "accounts/account_service.hpp"
#include "accounts/user_administration.hpp"
#include "http/router.hpp"

namespace infernode {

// /auth, /users/me, /admin/users (but for recharging) and the key set. Everything must
// outlive the router.
void add_account_routes(http::Router& router, AccountService& accounts,
                        UserAdministration& administration, const TokenSigner& signer);
// Recognises requests by their tokens.
http::Authenticator make_authenticator(AccountService& accounts);

}  // namespace infernode
