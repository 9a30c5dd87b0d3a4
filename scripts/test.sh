#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENT...]: the Rust tests, then the Python tests. Some of each make network namespaces.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Cargo starts each test program by what this variable names: the tests run as root, the compiler does not.
run_rust_tests_as_root() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  export "CARGO_TARGET_${host}_RUNNER=sudo --non-interactive"
}

if ((EUID != 0)); then
  ask_for_root
  run_rust_tests_as_root
fi
step "Rust tests" cargo test --quiet --locked --workspace
exec scripts/in-lab.sh .venv/bin/python -m pytest "$@"
