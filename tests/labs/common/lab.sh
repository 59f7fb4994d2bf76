# shellcheck shell=bash
# What the labs of etcd, PostgreSQL and Redis share: each `run` sources this. (The one of Pinot is older and
# stands alone.) A lab calls `lab_main` with its arguments and defines
#   parse ARGS...   sets `command` and its own options
#   prepare         installs what is missing, fills the cache, sets `program`: the executable of every server
#   bring_up        chooses ports, `define`s the servers, starts them, waits until they are one cluster
#   write_target    prints the target file
#   variables       prints what the command finds in its environment besides $TARGET, one NAME=VALUE a line
set -euo pipefail

readonly ATTEMPTS=3                    # another process may take a port before a server binds it
readonly HEALTHY_SECONDS=${LAB_HEALTHY_SECONDS:-60}  # for each wait; usually a tenth is enough
readonly LEAVE_SECONDS=10              # that the command gets to end by itself after a signal

keep_logs=
command=()
program=
dir=           # this lab's own directory; other writes go only to the cache and --keep-logs
logs=
work=          # a directory of the cache in the making
names=()       # of the servers
port=()
child=         # process ids, empty while there is no such process
keeper=
trouble=       # why the last attempt failed
exec 7>/dev/null # becomes the writing end of the pipe of the keeper: only `run` may hold it

say() { echo "lab: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

# ---- prerequisites ----

# install TOOL... -- PACKAGE...: installs the packages if one of the tools is missing.
install() {
  local missing=
  while [[ $1 != -- ]]; do
    command -v "$1" >/dev/null || missing+=" $1"
    shift
  done
  shift
  [[ -n $missing ]] || return 0
  ((EUID == 0)) || fail "missing:$missing; as root: apt-get install $*"
  say "missing:$missing; installing $*"
  export DEBIAN_FRONTEND=noninteractive
  apt_get update -qq || fail "apt-get update failed: see above"
  apt_get install -y -qq --no-install-recommends "$@" || fail "apt-get install $* failed: see above"
  hash -r
}

apt_get() { aside apt-get "$@" >&2; }

# Runs a command in such a way that this script reacts to signals at once and the command cannot outlive it.
aside() {
  setpriv --pdeathsig KILL "$@" <&0 7>&- &
  child=$!
  local status=0
  wait "$child" || status=$?
  child=
  return "$status"
}

# cached NAME FILL...: the path of a directory of the cache, in `cached`; FILL... DIRECTORY fills it if it is
# not there. It gets its name at the end, so what has the name is complete. A second run waits at the lock
# meanwhile. The kernel frees the lock if the first run is killed.
cached() {
  local base="${XDG_CACHE_HOME:-$HOME/.cache}/dissent-labs" name=$1
  shift
  cached="$base/$name"
  [[ ! -d $cached ]] || return 0
  mkdir -p "$base"
  exec 8>"$base/$name.lock"
  aside flock 8 || fail "cannot lock $base/$name.lock"
  if [[ ! -d $cached ]]; then
    rm -rf "$base/$name".work.*
    work=$(mktemp -d "$base/$name.work.XXXXXX")
    say "making $cached, once"
    "$@" "$work"
    mv "$work" "$cached"
    work=
  fi
  exec 8>&-
}

# ---- the directory and its removal ----

# The keeper ends the servers and removes the directory once nobody holds its pipe: when `run` ends in any
# way, kill -9 included. It has a session of its own, so no signal of a terminal reaches it.
make_directory() {
  dir=$(mktemp -d "${TMPDIR:-/tmp}/dissent-$LAB.XXXXXX")
  chmod 711 "$dir"    # a server may run as another user
  cp "$common/hand" "$dir/hand"
  exec 7> >(
    exec >/dev/null 2>&1
    trap '' INT TERM HUP
    exec setsid "$common/keeper" "$dir"
  )
  keeper=$!
  logs="$dir/logs"
  if [[ -n $keep_logs ]]; then
    mkdir -p "$keep_logs"
    logs=$(cd "$keep_logs" && pwd)
  fi
}

take_down() {
  local pid
  trap '' INT TERM HUP
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
    ends "$child" "$LEAVE_SECONDS" || kill -KILL "$child" 2>/dev/null || true
  fi
  for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
  if [[ -n $work ]]; then rm -rf "$work"; fi
  exec 7>&-
  if [[ -n $keeper ]]; then ends "$keeper" "$LEAVE_SECONDS" || say "$dir is still there"; fi
}

ends() {
  local end=$((SECONDS + $2))
  while kill -0 "$1" 2>/dev/null; do
    ((SECONDS < end)) || return 1
    sleep 0.02
  done
}

on_signal() {
  say "$1: stopping the servers"
  exit "$2"
}

# ---- up ----

# choose_ports COUNT: sets `port`. They lie below those that the system hands to clients, one of which could
# otherwise hold the port of a killed server when it comes back.
choose_ports() {
  local low number
  read -r low _ </proc/sys/net/ipv4/ip_local_port_range
  ((low > 12000)) || low=32768
  port=()
  while ((${#port[@]} < $1)); do
    number=$(shuf -n 1 -i "11000-$((low - 1))")
    if [[ " ${port[*]} " != *" $number "* ]] && is_free "$number"; then port+=("$number"); fi
  done
}

is_free() { ! grep -qs "$(printf ':%04X ' "$1")" /proc/net/tcp /proc/net/tcp6; }

lay_out() {
  local name
  for name in "${names[@]}"; do "$dir/hand" kill "$name"; done
  names=()
  rm -rf "$dir"/{data,start,ready,logs-of} "$logs"/*.log
  mkdir -p "$dir"/{data,start,ready,logs-of} "$logs"
  printf '%s\n' "$program" >"$dir/program"
}

# define NAME WORD...: adds a server and the command line that starts it. `ready` says when it serves.
define() {
  local name=$1
  shift
  names+=("$name")
  mkdir -p "$dir/data/$name"
  printf '%q ' exec "$@" >"$dir/start/$name"
  echo "$logs/$name.log" >"$dir/logs-of/$name"
}

# ready NAME: takes the script from stdin.
ready() { cat >"$dir/ready/$1"; }

# begin NAME...: starts servers side by side.
begin() {
  local name pids=()
  for name in "$@"; do
    setpriv --pdeathsig KILL "$dir/hand" start "$name" 7>&- &
    pids+=("$!")
  done
  wait_all "${pids[@]}" && return
  trouble="not every one of $* started: see above"
  return 1
}

wait_all() {
  local pid failed=0
  for pid in "$@"; do wait "$pid" || failed=1; done
  return "$failed"
}

# wait_for WHAT TEST...: waits until the test holds.
wait_for() {
  local what=$1 end=$((SECONDS + HEALTHY_SECONDS))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > end)); then
      trouble="$what: not within $HEALTHY_SECONDS s"
      return 1
    fi
    sleep 0.05
  done
}

# Only a port that another process took meanwhile is worth another attempt.
bring_up_or_fail() {
  local attempt
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    lay_out
    if bring_up; then return; fi
    grep -qsi 'address already in use' "$logs"/*.log || break
    say "a port was taken meanwhile: attempt $attempt of $ATTEMPTS failed"
  done
  fail "not up: $trouble${keep_logs:+; read $logs}"
}

# The lines of a target file by which replicas are stopped, started and slowed down.
commands() {
  printf '\n[commands]\n'
  printf '%s = "%s/hand %s \\"$REPLICA\\""\n' \
    pause "$dir" pause resume "$dir" resume kill "$dir" kill start "$dir" start
  printf '\n[fault.slow]\n'
  printf '%s = "%s/hand %s \\"$REPLICA\\""\n' begin "$dir" slow cure "$dir" fast check "$dir" is-slow
}

variables() { :; }

# The command must get the signals of the terminal too. bash makes background commands ignore them.
run_command() {
  local more
  mapfile -t more < <(variables)
  aside env --default-signal=INT,QUIT "TARGET=$dir/$LAB.toml" "${more[@]}" "${command[@]}"
}

lab_main() {
  parse "$@"
  trap take_down EXIT
  trap 'on_signal SIGINT 130' INT
  trap 'on_signal SIGTERM 143' TERM
  trap 'on_signal SIGHUP 129' HUP
  prepare
  local began=${EPOCHREALTIME/./} status=0
  make_directory
  bring_up_or_fail
  write_target >"$dir/$LAB.toml"
  say "up in $(((${EPOCHREALTIME/./} - began) / 1000)) ms: ${names[*]}, $dir/$LAB.toml"
  run_command || status=$?
  exit "$status"
}
