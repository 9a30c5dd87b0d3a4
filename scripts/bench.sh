#!/usr/bin/env bash
# bench.sh [PYTEST ARGUMENT...]: the benchmarks, of which some make network namespaces. Without the tests' time-out: a
# comparison of failovers takes minutes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

METALEV_KUBERNETES=$(scripts/kubernetes.sh)  # built first if it is not there
export METALEV_KUBERNETES

exec scripts/in-lab.sh .venv/bin/python -m pytest bench --override-ini 'python_files=bench_*.py' -p benchmark \
  --timeout 0 --benchmark-columns min,median,max,rounds "$@"
