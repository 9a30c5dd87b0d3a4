#!/usr/bin/env bash
# in-lab.sh COMMAND [ARGUMENT...]: runs a command that makes network namespaces: as root, stopped as a whole when
# interrupted, and with whatever an abrupt end left behind removed.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ((EUID != 0)); then
  ask_for_root
  # Python would leave root's files in the user's checkout.
  exec sudo env PYTHONDONTWRITEBYTECODE=1 "$0" "$@"
fi

reap() {
  local status=$?
  ((status == 0)) || .venv/bin/python -m metalev.lab reap
  exit "$status"
}
trap reap EXIT

in_group "$@"
