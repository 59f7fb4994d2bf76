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

# ---- what an audit sends, and what it tells ----

# complain WORDS...: ends an arm.
complain() {
  echo "arms: ${FUNCNAME[1]}: $*" >&2
  exit 1
}

# record FOLDER FILE WORDS...: makes FOLDER/target.toml, which is the target file FILE with every HTTP address
# replaced by one at which the recorder listens; WORDS are more words for it (`recorder.py`). It dies with
# this script.
record() {
  local folder=$1 file=$2 address listened addresses
  shift 2
  address='^[A-Za-z0-9_-]* *= *"http://\([0-9.:]*\)".*'
  mapfile -t addresses < <(sed -n "s|$address|\1|p" "$file" | sort -u)
  : >"$folder/listened"
  setpriv --pdeathsig KILL python3 "$root/tests/labs/common/recorder.py" "$folder" "$@" "${addresses[@]}" \
    >>"$folder/listened" &
  until (($(wc -l <"$folder/listened") == ${#addresses[@]})); do sleep 0.05; done
  cp "$file" "$folder/target.toml"
  while read -r address listened; do
    sed -i "s|http://$address\"|http://$listened\"|" "$folder/target.toml"
  done <"$folder/listened"
}

# requests FOLDER: what was sent, as `METHOD PATH`, without what follows a question mark.
requests() {
  grep -aohE '[A-Z]+ /[^ ]* HTTP/1\.1' "$1"/connection-* | sed 's/ HTTP.*//; s/?.*//' | sort -u
}

# only_requests FOLDER METHOD PATHS...: fails if another method or path was sent, or nothing. PATHS is a
# pattern for each METHOD.
only_requests() {
  local folder=$1 sent allowed=()
  shift
  while (($# > 0)); do
    allowed+=(-e "^$1 ($2)\$")
    shift 2
  done
  sent=$(requests "$folder")
  [[ -n $sent ]] || complain "nothing was recorded"
  ! grep -vE "${allowed[@]}" <<<"$sent" || complain "an audit sent the above"
  echo "${FUNCNAME[1]}: $(wc -l <<<"$sent") kinds of requests, all of them reads"
}

# lists TARGET WORDS: doctor works for this user, and lists what an audit needs with these words.
lists() {
  local document
  document=$("$dissent" doctor "$1") || complain "doctor: exit $?"
  [[ $document == *"an audit needs"*"$2"* ]] || complain "doctor does not list $2"
}

# audit_refused TARGET WORDS ARGS...: an audit that ends before it begins, with these words among what is then
# in `said`.
audit_refused() {
  local code=0
  said=$("$dissent" audit "$1" --results "$results" "${@:3}" 2>&1) || code=$?
  ((code == 4)) && [[ $said == *"$2"* ]] || complain "expected exit 4 and '$2', got exit $code and '$said'"
  echo "${FUNCNAME[1]}: refused: $2"
}

# audit_of_planted TARGET TABLE PASSWORD TEXT...: audits a table with rows that differ and hold these texts.
# Nothing that is printed or written shows one of them, unless --show-values asks for it; the password is
# never shown.
audit_of_planted() {
  local target=$1 table=$2 password=$3 folder shows text
  shift 3
  for shows in '' --show-values; do
    folder=$(mktemp -d)
    code=0
    "$dissent" audit "$target" --table "$table" --results "$folder/results" $shows >"$folder/said" \
      2>"$folder/noted" || code=$?
    last=$(tail -n 1 "$folder/said")
    ((code == 1)) && [[ $last == "FAIL one-differs"* ]] || complain "got exit $code and '$last'"
    [[ -z $(find "$folder" -type f -size +0 -exec grep -LI . {} +) ]] ||
      complain "a file of $folder is no text"
    for text in "$@"; do
      case $shows in
        '') ! grep -rF -e "$text" "$folder" || complain "$text is in $folder" ;;
        *) grep -rqF -e "$text" "$folder" || complain "$text is not shown, so it would not be missed" ;;
      esac
    done
    [[ -z $password ]] || ! grep -rqF -e "$password" "$folder" || complain "the password is in $folder"
    rm -rf "$folder"
  done
  echo "${FUNCNAME[1]}: $# planted texts hidden, and shown on request"
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
