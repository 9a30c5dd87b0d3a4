#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENT...]: the Rust tests, then the Python tests. Some of each make network namespaces, some run
# a real Kubernetes, which is built first if it is not there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Programs, kernels and API servers of their own share a machine with other work: where a few of all tests failed, they
# are run once more, alone. What passes then has failed all the same, and is told so with what the first run printed.
all_python_tests() {
  local status=0 few=5 failed=.pytest_cache/v/cache/lastfailed
  rm -f "$failed"
  scripts/in-lab.sh .venv/bin/python -m pytest || status=$?
  ((status == 1)) && [[ -s $failed ]] && (($(grep -c '": true' "$failed") <= few)) || return "$status"
  printf '\n== the tests that failed, once more\n'
  scripts/in-lab.sh .venv/bin/python -m pytest --last-failed --last-failed-no-failures none || return
  printf '\n== FLAKY: they failed at first (above), and passed alone. That is a flaw of theirs, or ours: report it.\n'
}

# Before anything else: it is this that may be missing, and where the tests run there may be no internet.
METALEV_KUBERNETES=$(scripts/kubernetes.sh)
export METALEV_KUBERNETES

if ((EUID != 0)); then
  export INSTEAD="sudo env PATH='$PATH' HOME='$HOME' scripts/test.sh $*"
  scripts/in-lab.sh true  # so that a refusal comes at once, not after minutes of building
  # Cargo may want the internet, which the tests' network does not reach.
  step "building the Rust tests" cargo test --quiet --locked --workspace --no-run
  export CARGO_NET_OFFLINE=true
  exec scripts/in-lab.sh "$0" "$@"
fi

# Under sudo, root's files stay apart from the user's.
[[ -z ${SUDO_UID:-} ]] || export CARGO_TARGET_DIR=target/root

step "Rust tests" cargo test --quiet --locked --workspace --no-fail-fast
(($#)) || { all_python_tests; exit; }
exec scripts/in-lab.sh .venv/bin/python -m pytest "$@"
