#!/usr/bin/env bash
# sim.sh [NODES [GROUPS]]: the engine alone in virtual time: SIM_CASES (500) random schedules of each kind on small
# fleets, then one large fleet (100 nodes, 1,000 groups), with its figures.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

small() {
  PROPTEST_CASES="${SIM_CASES:-500}" cargo test --quiet --locked --release -p metalev-engine --test simulation
}

step "${SIM_CASES:-500} random schedules of each kind" small
exec cargo run --quiet --locked --release -p metalev-engine --example fleet -- "$@"
