# Shared by the scripts beside it, which source it: what they need to find or install, and how they speak.
# shellcheck shell=bash

# The jars that a ZooKeeper server of Debian's package needs: no admin server, no client shell.
DEBIAN_JARS=(zookeeper zookeeper-jute slf4j-api slf4j-simple netty-buffer netty-codec netty-common netty-handler
  netty-resolver netty-transport netty-transport-native-epoll netty-transport-native-unix-common metrics-core
  snappy-java commons-cli)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# Runs a command with the rights that installing takes.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "cannot run '$*': neither root nor sudo"
  fi
}

# ensure_command COMMAND PACKAGE: installs the Debian package unless the command is there.
ensure_command() {
  command -v "$1" >/dev/null || install_package "$2"
  command -v "$1" >/dev/null || die "'$1' is needed and package '$2' did not bring it"
}

install_package() {
  command -v apt-get >/dev/null || die "'$1' is needed: install it with this system's package manager"
  say "installing the package $1"
  # A new machine may know no package before the first update.
  if ! install_quietly "$1"; then
    as_root apt-get update -qq >&2
    install_quietly "$1" || die "the package '$1' could not be installed"
  fi
}

install_quietly() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

ensure_cargo() {
  # rustup's own place, which only login shells have in their path.
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
  fi
  command -v cargo >/dev/null || die "'cargo' is needed: install Rust with rustup, version as in rust-version of Cargo.toml"
  # The allocator is built with it.
  ensure_command make make
}

# ensure_go VERSION: at least this one. A newer Go is never fetched by the Go that is there.
ensure_go() {
  # Where Go's own archive is unpacked, which not every shell has in its path.
  if ! command -v go >/dev/null && [ -x /usr/local/go/bin/go ]; then
    PATH=$PATH:/usr/local/go/bin
  fi
  ensure_command go golang-go
  at_least "$1" "$(go env GOVERSION)" || die "Go $1 or newer is needed, and here is $(go env GOVERSION)"
}

# ensure_node VERSION: at least this one, with npm.
ensure_node() {
  ensure_command node nodejs
  ensure_command npm npm
  at_least "$1" "$(node --version)" || die "Node.js $1 or newer is needed, and here is $(node --version)"
}

# ensure_python VERSION: at least this one, and what it takes to make environments.
ensure_python() {
  ensure_command python3 python3
  local version
  version=$(python3 -c 'import platform; print(platform.python_version())')
  at_least "$1" "$version" || die "Python $1 or newer is needed, and here is $version"
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_package python3-venv
  python3 -c 'import ensurepip, venv' 2>/dev/null ||
    die "Python's venv is needed and package 'python3-venv' did not bring it"
}

# at_least NEEDED FOUND: compares versions, the second as programs tell it: 3.11.7, go1.25.0 or v20.1.0.
at_least() {
  local found=${2#go}
  found=${found#v}
  [ "$(printf '%s\n' "$1" "$found" | sort -V | head -n 1)" = "$1" ]
}

ensure_zookeeper() {
  ensure_command java default-jre-headless
  if [ -z "${ZOOGATE_TEST_ZOOKEEPER_CLASSPATH:-}" ] && [ -z "${ZOOKEEPER_HOME:-}" ] &&
    [ ! -e /usr/share/java/zookeeper.jar ]; then
    install_package zookeeper
  fi
}

# fetch_zookeeper VERSION: a server of this version with all that it needs; sets the class path of the tests' servers.
fetch_zookeeper() {
  local into=$PWD/target/zookeeper/$1
  ensure_command java default-jre-headless
  if [ ! -e "$into/complete" ]; then
    ensure_command mvn maven
    say "== fetching ZooKeeper $1"
    rm -rf -- "$into"
    mvn --batch-mode --quiet --file tests/zookeeper/pom.xml dependency:copy-dependencies \
      -Dzookeeper="$1" -DoutputDirectory="$into/jars" -DincludeScope=runtime >&2 ||
      die "Maven could not fetch ZooKeeper $1; its output is above"
    # Last, so that a fetch that broke off is repeated.
    touch "$into/complete"
  fi
  export ZOOGATE_TEST_ZOOKEEPER_CLASSPATH="$into/jars/*"
}

# The Java class path of a server; looks where tests/support/zookeeper.rs looks.
zookeeper_class_path() {
  if [ -n "${ZOOGATE_TEST_ZOOKEEPER_CLASSPATH:-}" ]; then
    printf '%s\n' "$ZOOGATE_TEST_ZOOKEEPER_CLASSPATH"
  elif [ -n "${ZOOKEEPER_HOME:-}" ]; then
    printf '%s\n' "$ZOOKEEPER_HOME/lib/*:$ZOOKEEPER_HOME/*"
  else
    local jars
    printf -v jars '/usr/share/java/%s.jar:' "${DEBIAN_JARS[@]}"
    printf '%s\n' "${jars%:}"
  fi
}

# Whether something listens on this port of 127.0.0.1.
port_is_taken() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A port of 127.0.0.1 that is free, below the range that the system uses for outgoing connections.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 10000))
    port_is_taken "$port" || {
      printf '%s\n' "$port"
      return
    }
  done
  die "no free port found between 20000 and 29999"
}

# Replaces this shell by a command that the kernel ends when the script ends, in whatever way.
exec_guarded() {
  if command -v setpriv >/dev/null; then
    exec setpriv --pdeathsig KILL -- "$@"
  fi
  exec "$@"
}

# What make_scratch, start_zookeeper and start_gateway have made, for clean_up.
scratch=
zookeeper_pid=
gateway_pid=

# A folder for this run; it and what is started later is gone when the script ends.
make_scratch() {
  scratch=$(mktemp -d)
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# shellcheck disable=SC2317  # called by a trap
clean_up() {
  # The gateway first: it takes its leave from ZooKeeper.
  end TERM "$gateway_pid"
  end KILL "$zookeeper_pid"
  rm -rf -- "$scratch"
}

# Ends a process that this script started, and waits for it.
end() {
  [ -n "$2" ] || return 0
  kill -s "$1" "$2" 2>/dev/null || true
  wait "$2" 2>/dev/null || true
}

# start_zookeeper: on a free port, with its files in $scratch; sets zookeeper_port and zookeeper_pid.
start_zookeeper() {
  zookeeper_port=$(free_port)
  mkdir "$scratch/data"
  cat >"$scratch/zoo.cfg" <<CONFIGURATION
tickTime=2000
dataDir=$scratch/data
clientPort=$zookeeper_port
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr,ruok,mntr
CONFIGURATION
  say "starting ZooKeeper on 127.0.0.1:$zookeeper_port"
  (exec_guarded java -Xmx512m -cp "$(zookeeper_class_path)" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$scratch/zoo.cfg") >"$scratch/zookeeper.log" 2>&1 &
  zookeeper_pid=$!
  wait_for ZooKeeper "$zookeeper_pid" "$scratch/zookeeper.log" zookeeper_serves "$zookeeper_port"
}

# start_gateway PORT OPS_PORT [LOG]: runs $binary in front of that ZooKeeper; sets gateway_pid.
start_gateway() {
  say "starting zoogate on 127.0.0.1:$1"
  (
    export ZOOGATE__ZOOKEEPER__CONNECT=127.0.0.1:$zookeeper_port
    export ZOOGATE__HTTP__LISTEN=127.0.0.1:$1
    export ZOOGATE__OPS__LISTEN=127.0.0.1:$2
    # shellcheck disable=SC2154  # the script that sources this sets it
    exec_guarded "$binary" serve 2>>"${3:-/dev/stderr}"
  ) &
  gateway_pid=$!
  wait_for zoogate "$gateway_pid" "${3:-/dev/null}" gateway_is_ready "$2"
}

# wait_for WHAT PID LOG CONDITION...: until the condition holds, the process ends, or a minute has passed.
wait_for() {
  local what=$1 pid=$2 log=$3
  shift 3
  for _ in {1..600}; do
    if "$@"; then return; fi
    if ! kill -0 "$pid" 2>/dev/null; then
      cat "$log" >&2
      die "$what ended; its log stands above"
    fi
    sleep 0.1
  done
  cat "$log" >&2
  die "$what is not ready after a minute; its log stands above"
}

# shellcheck disable=SC2317  # called by wait_for
# Whether a ZooKeeper server answers on this port.
zookeeper_serves() {
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf srvr >&3
  local answer
  # A server that is still starting may take the connection and never answer.
  answer=$(timeout 2 cat <&3) || true
  exec 3>&-
  [[ $answer == *Mode:* ]]
}

# shellcheck disable=SC2317  # called by wait_for
# Whether the gateway whose probes are on this port is ready.
gateway_is_ready() {
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
  local status
  status=$(timeout 2 head -n 1 <&3) || true
  exec 3>&-
  [[ $status == HTTP/1.*\ 200\ * ]]
}
