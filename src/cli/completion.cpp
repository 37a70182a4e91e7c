#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.hpp"

namespace infernode::cli {
namespace {

std::string option_names(const CLI::App& command) {
  std::string names;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) {
      names += (names.empty() ? "--" : " --") + name;
    }
  }
  return names;
}

// Bash splits words at colons, so the words are taken from the line itself and what stands before
// the last colon is left out of the answers.
void print_bash(const CLI::App& root) {
  std::string names;
  std::string cases;
  for (const auto* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) {
      continue;
    }
    names += (names.empty() ? "" : " ") + command->get_name();
    cases += fmt::format("    {}) words='{}' ;;\n", command->get_name(), option_names(*command));
  }
  std::printf(
      "# bash completion for infernode: source <(infernode completion)\n"
      "_infernode() {\n"
      "  local line=${COMP_LINE:0:COMP_POINT} words cur prefix\n"
      "  local -a parts; read -ra parts <<< \"$line\"\n"
      "  [[ $line == *' ' ]] && parts+=('')\n"
      "  cur=${parts[-1]}\n"
      "  case ${parts[1]} in\n%s"
      "  esac\n"
      "  ((${#parts[@]} <= 2)) && words='%s'\n"
      "  [[ ${parts[1]} == run && $cur != -* ]] && { COMPREPLY=($(compgen -f -- \"$cur\")); "
      "return; }\n"
      "  prefix=${cur%%\"${cur##*:}\"}\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  COMPREPLY=(\"${COMPREPLY[@]#\"$prefix\"}\")\n"
      "}\n"
      "complete -F _infernode infernode\n",
      cases.c_str(), names.c_str());
}

}  // namespace

void add_completion_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "completion", "Print shell completion for bash");
  command->footer(
      "  source <(infernode completion)\nzsh: autoload -U bashcompinit && bashcompinit "
      "first.");
  command->callback([&app, &status] {
    print_bash(app);
    status = 0;
  });
}

}  // namespace infernode::cli
