# What the arms of every lab share. Sourced by tests/labs/*/arms, which runs under its lab:
#   tests/labs/LAB/run -- tests/labs/LAB/arms [SEED] [ARM...]
# Each arm makes its own table. The script stops at the first arm with an unexpected result.
# shellcheck shell=bash disable=SC2034

: "${TARGET:?run this under the lab, which says where the cluster is}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
dissent=${DISSENT:-$root/target/release/dissent}
results=${DISSENT_RESULTS:-$root/results}
[[ -x $dissent ]] || { echo "arms: no $dissent: cargo build --release makes it" >&2; exit 2; }
seed=${1:-1}

# expect WANTED WORDS CODE LAST: compares the exit code and how the last line begins with what an arm must
# give.
expect() {
  echo "${FUNCNAME[1]}: $4"
  if (($3 != $1)) || [[ $4 != "$2"* ]]; then
    echo "arms: ${FUNCNAME[1]}: expected exit $1 and a last line '$2 ..', got exit $3" >&2
    exit 1
  fi
}

# dissent_run WORKLOAD NEMESIS ARGS...: sets `last` and `code` to the last line and the exit code.
dissent_run() {
  code=0
  last=$(
    "$dissent" run "$TARGET" "$1" "$2" --seed "$seed" --results "$results" "${@:3}" | tail -n 1
  ) || code=$?
}

# run_arms DEFAULT... -- CHOSEN...: runs what was chosen, or the arms that CI runs.
run_arms() {
  local defaults=() arm
  while [[ $1 != -- ]]; do defaults+=("$1"); shift; done
  shift
  (($# > 0)) || set -- "${defaults[@]}"
  for arm in "$@"; do
    [[ $(type -t "$arm") == function ]] || { echo "arms: no arm '$arm'" >&2; exit 2; }
    "$arm"
  done
}
