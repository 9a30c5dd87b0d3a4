#!/usr/bin/env bash
# check.sh: everything that is wrong with the sources, not just the first thing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

failed=()

check() {
  step "$@" || failed+=("$1")
}

python() {
  .venv/bin/python -m "$@"
}

check "Python format" python ruff format --check
check "Python lint" python ruff check
check "Python types" python mypy
check "Python layers" .venv/bin/lint-imports
check "types of the extension" python mypy.stubtest metalev._native
check "Python packages agree" python pip check
check "shell" .venv/bin/shellcheck scripts/*.sh kind/*.sh .ci/run
check "Rust format" cargo fmt --all --check
check "Rust lint" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
check "fuzz targets format" cargo fmt --manifest-path rust/fuzz/Cargo.toml --check
check "fuzz targets build" cargo clippy --quiet --locked --manifest-path rust/fuzz/Cargo.toml -- -D warnings

((${#failed[@]} == 0)) || die "failed:$(printf ' %s;' "${failed[@]}") make format mends formats and imports"
