#!/usr/bin/env bash
# format.sh: formats the sources and mends what the linter can.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

.venv/bin/python -m ruff format
.venv/bin/python -m ruff check --fix
cargo fmt --all
cargo fmt --manifest-path rust/fuzz/Cargo.toml
