#include <cstdio>

#include "accounts/token_signer.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"

namespace infernode::cli {

void add_keys_command(CLI::App& app, int& status) {
  auto* command =
      add_command(app, "keys:generate", "Make the RSA key that signs tokens, if there is none");
  auto force = std::make_shared<bool>(false);
  command->add_flag("--force", *force,
                    "Make a new one all the same: it signs from the next start on, and older ones "
                    "go on verifying until their files are removed");
  command->callback([&status, force] {
    const Config config = load_settings();
    if (has_keys(config.keys_dir) && !*force) {
      std::printf("There is a key in %s already; --force makes another.\n",
                  config.keys_dir.c_str());
    } else {
      std::printf("Made %s\n", generate_key(config.keys_dir).c_str());
    }
    status = 0;
  });
}

}  // namespace infernode::cli
