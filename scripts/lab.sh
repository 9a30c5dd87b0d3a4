#!/usr/bin/env bash
# lab.sh up [--nodes=N] [--mode=nftables|iptables] | down: a Kubernetes with metalev that stands until it is taken down.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder=.lab

case ${1:-} in
  up)
    METALEV_KUBERNETES=$(scripts/kubernetes.sh)
    export METALEV_KUBERNETES
    exec .venv/bin/python -m metalev.lab up "$folder" "${@:2}"
    ;;
  down) exec .venv/bin/python -m metalev.lab down "$folder" ;;
  *) die "usage: scripts/lab.sh up|down" ;;
esac
