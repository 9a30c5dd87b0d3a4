#!/usr/bin/env bash
# demo.sh [--kubernetes]: the demo, on a directory of manifests or on a real Kubernetes, which is built if need be.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ ${1:-} == --kubernetes ]]; then
  METALEV_KUBERNETES=$(scripts/kubernetes.sh)
  export METALEV_KUBERNETES
fi
export INSTEAD="sudo env PATH='$PATH' HOME='$HOME' scripts/demo.sh $*"
exec scripts/in-lab.sh .venv/bin/python -m metalev.lab demo "$@"
