#!/usr/bin/env bash
# in-lab.sh COMMAND [ARGUMENT...]: runs a command that makes network namespaces: as root, of the machine or of a user
# namespace; stopped as a whole when interrupted, and with whatever an abrupt end left behind removed.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Once only: where it changes nothing, it must not be tried for ever.
if ((EUID != 0)); then
  exec .venv/bin/python -m metalev.lab.userns --instead "${INSTEAD:-sudo $0 $*}" -- "$0" "$@"
fi

# Under sudo, Python would leave root's files in the user's checkout.
[[ -z ${SUDO_UID:-} ]] || export PYTHONDONTWRITEBYTECODE=1

reap() {
  local status=$?
  ((status == 0)) || .venv/bin/python -m metalev.lab reap
  exit "$status"
}
trap reap EXIT

in_group "$@"
