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

# audit_run PREFIX CODE WORDS ARGS...: audits the table of the run that `last` is about, as somebody who knows
# nothing of that run; in the store it is called PREFIX and the table's name.
audit_run() {
  local folder table code=0 audited
  folder=${last##*report=}
  folder=${folder%/*}
  table=$(sed -n 's/.*"table": *"\([^"]*\)".*/\1/p' "$folder/run.json" | head -n 1)
  audited=$(
    "$dissent" audit "$TARGET" --table "$1$table" --results "$results" "${@:4}" | tail -n 1
  ) || code=$?
  echo "${FUNCNAME[1]}, audited: $audited"
  if ((code != $2)) || [[ $audited != "$3"* ]]; then
    echo "arms: ${FUNCNAME[1]}: expected an audit with exit $2 and '$3 ..', got exit $code" >&2
    exit 1
  fi
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
