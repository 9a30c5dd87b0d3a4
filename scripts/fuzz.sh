#!/usr/bin/env bash
# fuzz.sh [TARGET...]: each fuzz target for FUZZ_SECONDS (60). What it finds interesting stays in rust/fuzz/corpus; an
# input that fails goes to rust/fuzz/artifacts.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

host=$(rustc -vV | sed -n 's/^host: //p')

# What cargo-fuzz does, by the stable compiler: coverage for libFuzzer. Without a sanitizer, because the codecs forbid
# unsafe code: what can go wrong there is a panic, which libFuzzer sees.
coverage=(
  --cfg fuzzing
  -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
  -Cdebug-assertions -Ccodegen-units=1
)

build() {
  # With --target the flags are for the targets alone, not for build scripts, which have no libFuzzer to link to.
  RUSTFLAGS="${coverage[*]}" cargo build --quiet --release --locked --target "$host" \
    --manifest-path rust/fuzz/Cargo.toml --target-dir rust/fuzz/target
}

targets() {
  basename --suffix=.rs rust/fuzz/fuzz_targets/*.rs
}

run() {
  local corpus=rust/fuzz/corpus/$1 artifacts=rust/fuzz/artifacts/$1
  mkdir -p "$corpus" "$artifacts"
  "rust/fuzz/target/$host/release/$1" -max_total_time="${FUZZ_SECONDS:-60}" -artifact_prefix="$artifacts/" "$corpus"
}

step "building the fuzz targets" build
if (($# == 0)); then
  mapfile -t all < <(targets)
  set -- "${all[@]}"
fi
for target in "$@"; do
  step "fuzzing $target for ${FUZZ_SECONDS:-60} s" run "$target"
done
