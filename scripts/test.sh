#!/usr/bin/env bash
# test.sh [PYTEST ARGUMENT...]: the Rust tests, then the Python tests, of which some make network namespaces.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

step "Rust tests" cargo test --quiet --locked --workspace
exec scripts/in-lab.sh .venv/bin/python -m pytest "$@"
