#!/usr/bin/env bash
# chaos.sh [OPTION...]: 1,000 seeded faults on the lab (`--events N`, `--seed N`), and whether each kept to its bounds.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export INSTEAD="sudo env PATH='$PATH' HOME='$HOME' scripts/chaos.sh $*"
exec scripts/in-lab.sh .venv/bin/python -u -m metalev.lab chaos "$@"
