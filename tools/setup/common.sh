# Shared by ./run, ./test and the scripts beside this file. Source it from the project's root.

# Runs a command as one step: says what it does and how long it took, keeps its output in
# build/logs, and shows the end of that output when it fails.
step() {
  local title=$1; shift
  local log="build/logs/${title//[^A-Za-z0-9]/-}.log" began=$EPOCHREALTIME status=0
  mkdir -p build/logs
  printf '==> %s ... ' "$title"
  "$@" > "$log" 2>&1 < /dev/null || status=$?
  local took=$(( (${EPOCHREALTIME/[.,]/} - ${began/[.,]/}) / 100000 ))
  printf '%d.%d s\n' $((took / 10)) $((took % 10))
  if ((status != 0)); then
    tail -n 40 "$log" >&2
    printf '\n%s failed (status %d); all of its output is in %s\n' "$title" "$status" "$log" >&2
    exit 1
  fi
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Sets DEBIAN to 12 or 13, or ends with a sentence.
require_supported_system() {
  local ID='' VERSION_ID='' PRETTY_NAME=''
  [[ -r /etc/os-release ]] && . /etc/os-release
  if [[ $ID != debian || ($VERSION_ID != 12 && $VERSION_ID != 13) ]]; then
    printf 'InferNode builds on Debian 12 and 13; this is %s.\n' "${PRETTY_NAME:-an unknown system}" >&2
    exit 1
  fi
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) printf 'InferNode builds on x86_64 and aarch64; this is %s.\n' "$(uname -m)" >&2; exit 1 ;;
  esac
  if ((EUID != 0)) && ! command -v sudo > /dev/null; then
    printf 'InferNode needs root or sudo to install Debian packages.\n' >&2
    exit 1
  fi
  DEBIAN=$VERSION_ID
}

# The packages of packages.txt that this system needs, one a line.
wanted_packages() {
  local line have_node=
  # Node.js from elsewhere brings its own npm; Debian's would be in its way.
  command -v node > /dev/null && command -v npm > /dev/null && have_node=1
  while read -r line; do
    case $line in
      '' | '#'*) continue ;;
      12:* | 13:*) [[ ${line%%:*} == "$DEBIAN" ]] || continue; line=${line#*: } ;;
      test:*) [[ -n ${for_tests:-} ]] || continue; line=${line#*: } ;;
      bench:*) [[ -n ${for_bench:-} ]] || continue; line=${line#*: } ;;
    esac
    [[ -n $have_node && ($line == nodejs || $line == npm) ]] && continue
    printf '%s\n' "$line"
  done < tools/setup/packages.txt
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' | sed -n 's/ ii *$//p')
  comm -23 <(wanted_packages | sort) <(sort <<< "$installed")
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  # Debian's postgresql package would start a server of its own; ours never uses it.
  if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    as_root mkdir -p /etc/postgresql-common
    printf 'create_main_cluster = false\n' | as_root tee /etc/postgresql-common/createcluster.conf > /dev/null
  fi
  as_root apt-get update
  # shellcheck disable=SC2046
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold $(missing_packages)
}

# Installs the npm packages of a folder's lock file, unless they are there; none of their scripts runs.
install_npm_packages() {  # folder
  local stamp=build/npm/${1//\//-}
  cmp -s "$1/package-lock.json" "$stamp" && return
  step "install npm packages of $1" npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund
  mkdir -p build/npm
  cp "$1/package-lock.json" "$stamp"
}

# Debian's nginx without installing it, which would start it.
fetch_nginx() {
  rm -rf build/nginx
  mkdir -p build/nginx
  (cd build/nginx && (apt-get download nginx || (as_root apt-get update && apt-get download nginx)))
  dpkg -x build/nginx/nginx_*.deb build/nginx
}

# Everything that a build needs, and with `for_tests` or `for_bench` what tests or benchmarks need;
# quick when nothing is missing.
set_up() {
  require_supported_system
  if [[ -n $(missing_packages) ]]; then
    step 'install Debian packages' install_packages
  fi
  install_npm_packages tools/models
  if [[ -n ${for_tests:-} ]]; then
    install_npm_packages tests/tus
    install_npm_packages tests/e2e
  fi
  if [[ -n ${for_tests:-}${for_bench:-} && ! -x build/nginx/usr/sbin/nginx ]]; then
    step 'fetch nginx' fetch_nginx
  fi
  if [[ $DEBIAN == 12 && ! -e build/onnxruntime/complete ]]; then
    step 'install ONNX Runtime' tools/setup/onnxruntime
  fi
  if [[ ! -e build/models/complete ||
        -n $(find tools/setup/models tools/models models -name node_modules -prune -o -newer build/models/complete -print) ]]; then
    step 'make the models' tools/setup/models
  fi
  install_npm_packages tools/node
  install_npm_packages web
  if [[ ! -e build/web/complete ||
        -n $(find tools/setup/web tools/node/package-lock.json web api docs examples \
                  -name node_modules -prune -o -name schema.d.ts -prune -o -newer build/web/complete -print) ]]; then
    step 'build the dashboard' tools/setup/web
  fi
}

configure_and_build() {  # preset, targets...
  local preset=$1; shift
  cmake --preset "$preset" && cmake --build "build/$preset" --target "$@"
}
