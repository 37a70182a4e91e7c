#include <cstdio>

#include "accounts/token_signer.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"

namespace infernode::cli {

void add_keys_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "keys:generate", "Add an RSA key that signs tokens");
  command->footer(
      "Run it again to rotate keys: running servers see the new key within seconds and sign with "
      "it "
      "half a\nminute later; an older key verifies until every token that it signed has expired.");
  command->callback([&status] {
    const Config config = load_settings();
    const bool first = !has_keys(config.keys_dir);
    std::printf("Made %s\n", generate_key(config.keys_dir).c_str());
    if (!first) {
      std::printf("It signs from %lld seconds on; older keys verify for %lld more.\n",
                  static_cast<long long>(kKeyPublishedBefore.count()),
                  static_cast<long long>(config.jwt_ttl_seconds));
    }
    status = 0;
  });
}

}  // namespace infernode::cli
