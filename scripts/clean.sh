#!/usr/bin/env bash
# clean.sh: removes what the other targets made here, and nothing else; the fuzz corpus stays.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A cluster of `make lab-up` would outlive its files.
[[ ! -d .lab ]] || scripts/lab.sh down

rm -rf .venv target rust/fuzz/target dist .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache \
  .import_linter_cache python/metalev/_native*.so
find . -type d -name __pycache__ -prune -exec rm -rf {} +
