#!/usr/bin/env bash
# machine.sh PURPOSE...: what the machine itself must bring for `build`, `lab`, `check` or `bench`. Installs missing
# Debian packages as root; otherwise prints the one line to run. Says nothing when all is there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing=()

main() {
  local purpose
  find_python >/dev/null
  check_cargo
  for purpose in "$@"; do "needs_of_$purpose"; done
  ((${#missing[@]} == 0)) || install_packages
}

needs_of_build() {
  can_link cc || missing+=(gcc libc6-dev)
  local python
  python=$(find_python)
  # Debian splits venv from Python; ensurepip is the half that is missing then.
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("$("$python" -c \
    'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
}

needs_of_lab() {
  needs_command ip iproute2
  needs_command nft nftables
  needs_command curl curl
  needs_command iptables iptables  # kube-proxy's other mode
  needs_command openssl openssl
}

needs_of_check() {
  { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 ||
    die "cargo fmt or cargo clippy is missing: rustup component add rustfmt clippy"
  can_link c++ || missing+=(g++)  # libFuzzer, for the fuzz targets
}

needs_of_bench() {
  needs_command keepalived keepalived
}

# needs_command COMMAND PACKAGE
needs_command() {
  # What only root uses is often outside a user's PATH.
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || missing+=("$2")
}

# A compiler alone is not enough: Debian's comes without the C library's headers and start files.
can_link() {
  echo '#include <stdlib.h>
        int main(void) { return EXIT_SUCCESS; }' | "$1" -x "${1/cc/c}" -o /dev/null - 2>/dev/null
}

check_cargo() {
  local need have
  need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  have=$(cargo --version 2>/dev/null | awk '{print $2}') || true
  [[ -n $have ]] || die "cargo is missing: metalev needs Rust $need or newer, see https://rustup.rs"
  [[ $(printf '%s\n' "$need" "$have" | sort --version-sort | head -n 1) == "$need" ]] ||
    die "cargo $have is too old: metalev needs Rust $need or newer: rustup update stable"
}

install_packages() {
  command -v apt-get >/dev/null ||
    die "missing on this machine, in Debian's names: ${missing[*]}. Install them by its own package manager."
  ((EUID == 0)) || die "missing Debian packages: sudo apt-get install -y ${missing[*]}"
  step "reading Debian's package lists" apt-get -qq update
  step "installing ${missing[*]}" install_quietly "${missing[@]}"
}

install_quietly() {
  local policy=/usr/sbin/policy-rc.d
  # Debian starts the service of a package that it installs; keepalived is wanted in a namespace, never on this host.
  if [[ ! -e $policy ]]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"
}

main "$@"
