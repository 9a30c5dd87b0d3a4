#!/usr/bin/env bash
# venv.sh packages|extension|wheel: the virtual environment with exactly the locked packages, and metalev in it: its
# Python sources in place (an edit needs no build), its Rust extension as a release build. Or the wheel of all that.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages() {
  local python
  python=$(find_python)
  # Made anew, so that a package that left the lock leaves the environment as well.
  step "making .venv with $("$python" --version)" "$python" -m venv --clear .venv
  step "installing the locked Python packages" pip install --require-hashes -r requirements/dev.txt
}

extension() {
  # maturin is looked up in PATH by its build backend.
  PATH="$PWD/.venv/bin:$PATH"
  step "building the Rust extension" pip install --no-deps --no-index --no-build-isolation --editable .
}

wheel() {
  rm -rf dist
  step "building the wheel" .venv/bin/python -m maturin build --release --locked --out dist
  ls dist/*.whl
}

pip() {
  .venv/bin/python -m pip --disable-pip-version-check --no-input "$@"
}

"$1"
