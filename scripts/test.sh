#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENT...]: the Rust tests, then the Python tests. Some of each make network namespaces, some run
# a real Kubernetes, which is built first if it is not there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

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
exec scripts/in-lab.sh .venv/bin/python -m pytest "$@"
