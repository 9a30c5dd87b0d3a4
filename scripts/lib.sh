# shellcheck shell=bash
# Sourced by the scripts beside it: one line of progress per step, and nothing left running when a step is interrupted.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# rustup puts cargo where only a login shell looks.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

child=''   # the process group of the running step
ticker=''  # counts the seconds of the running step on a terminal
log=''     # what the running step prints, shown if it fails
exec {errors}>&2  # where a signal's message goes while the running step's output goes to its log

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# step TEXT COMMAND [ARGUMENT...]: runs the command with one line that says what, and how long it took. What it prints
# is shown if it fails, or at once with V=1. Returns the command's status.
step() {
  local text=$1 began=$SECONDS status=0
  shift
  if [[ -n ${V:-} ]]; then
    printf '== %s\n' "$text"
    in_group "$@" || status=$?
  else
    log=$(mktemp)
    start_ticker "$text"
    in_group "$@" >"$log" 2>&1 || status=$?
    stop_ticker
    end_step "$text" "$((SECONDS - began))" "$status"
  fi
  return "$status"
}

end_step() {
  local text=$1 seconds=$2 status=$3
  [[ -t 1 ]] && printf '\r\033[K%s ' "$text"
  if ((status == 0)); then
    printf '%d s\n' "$seconds"
  else
    printf 'FAILED after %d s (status %d):\n' "$seconds" "$status"
    cat "$log"
  fi
  rm -f "$log"
}

start_ticker() {
  local began=$SECONDS
  printf '%s ... ' "$1"
  [[ -t 1 ]] || return 0
  while sleep 1; do printf '\r\033[K%s ... %d s' "$1" "$((SECONDS - began))"; done &
  ticker=$!
}

stop_ticker() {
  [[ -n $ticker ]] || return 0
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  ticker=''
}

# Runs a command in a process group of its own, so that an interruption reaches all of it: a compiler's children, too.
in_group() {
  local status=0
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=''
  return "$status"
}

# The first signal is passed on and the step's own clean-up awaited; a second one does not wait.
interrupted() {
  local signal=$1
  trap 'kill -KILL -- "-$child" 2>/dev/null || true' INT TERM
  if [[ -n $child ]]; then
    kill "-$signal" -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  stop_ticker
  [[ -z $log ]] || rm -f "$log"
  printf '\ninterrupted\n' >&"$errors"
  exit "$((128 + $(kill -l "$signal")))"
}
trap 'interrupted INT' INT
trap 'interrupted TERM' TERM

# Prints the first Python that is new enough; PYTHON=... names another one to use.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "metalev needs Python 3.11 or newer, and found $(python_found)." \
    "Install one and name it: make PYTHON=python3.13 ..."
}

python_found() {
  local python=${PYTHON:-python3}
  if command -v "$python" >/dev/null; then
    "$python" --version 2>&1 | head -n 1
  else
    echo "no $python"
  fi
}
