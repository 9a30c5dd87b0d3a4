#!/usr/bin/env bash
# lock.sh: writes the locks of both languages from the loose versions. UPGRADE=1 also takes every newer version.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The lock's own first lines say how it is made; pip-compile would name this machine's paths.
export CUSTOM_COMPILE_COMMAND='make lock'

main() {
  # Some packages are needed by the oldest Python alone; a lock made by a newer one would lack them.
  .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    die "locks are made with the oldest Python that metalev supports: make clean lock PYTHON=python3.11"
  step "locking what metalev needs" compile runtime.txt pyproject.toml
  step "locking what its developers need" compile dev.txt --all-extras -c requirements/runtime.txt \
    pyproject.toml requirements/dev.in
  step "locking the Rust crates" cargo_lock Cargo.toml
  step "locking the fuzz targets' crates" cargo_lock rust/fuzz/Cargo.toml
}

# compile LOCK ARGUMENT...: hashes of every platform's files, and nothing about where they were found.
compile() {
  local lock=requirements/$1
  shift
  .venv/bin/pip-compile --quiet --no-config --generate-hashes --allow-unsafe --strip-extras \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
    ${UPGRADE:+--upgrade} --output-file "$lock" "$@"
}

cargo_lock() {
  # --workspace touches only what the manifests ask for anew.
  if [[ -n ${UPGRADE:-} ]]; then set -- "$1"; else set -- "$1" --workspace; fi
  cargo update --quiet --manifest-path "$@"
}

main
