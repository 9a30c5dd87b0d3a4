#!/usr/bin/env bash
# kubernetes.sh [NAME=VALUE...]: prints the folder that holds a Kubernetes for the tests: etcd, kube-apiserver,
# kube-controller-manager, kube-proxy and kubectl. A folder named by METALEV_KUBERNETES, or by KUBEBUILDER_ASSETS (where
# setup-envtest puts them), is used as it is; otherwise they are built from source once, and kept for every checkout.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

modules=tests/controlplane
programs=(kube-apiserver kube-controller-manager kube-proxy kubectl etcd)

main() {
  local given=${METALEV_KUBERNETES:-${KUBEBUILDER_ASSETS:-}} folder
  if [[ -n $given ]] && complete "$given"; then
    printf '%s\n' "$given"
    return
  fi
  [[ -z ${METALEV_KUBERNETES:-} ]] || die "METALEV_KUBERNETES=$given lacks one of: ${programs[*]}"
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/metalev/kubernetes-$(version)-$(fingerprint)
  complete "$folder" || build "$folder" >&2
  printf '%s\n' "$folder"
}

complete() {
  local program
  for program in "${programs[@]}"; do [[ -x $1/$program ]] || return 1; done
}

version() {
  sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$modules/go.mod"
}

# Another etcd, another module or another way of building is another folder.
fingerprint() {
  cat "$modules/go.sum" scripts/kubernetes.sh | cksum | cut -d ' ' -f 1
}

build() {
  local folder=$1 program partial
  check_go
  partial=$folder.partial.$$
  mkdir -p "$partial"
  # shellcheck disable=SC2064  # the folder's name is known now, and not when the trap runs
  trap "rm -rf '$partial'" EXIT
  for program in "${programs[@]}"; do
    step "building $program (once for this machine; minutes)" go_build "$program" "$partial/$program"
  done
  # Somebody else may have built them meanwhile; theirs are as good.
  complete "$folder" || { rm -rf "$folder" && mv "$partial" "$folder"; }
}

# go_build PROGRAM FILE
go_build() {
  local package=k8s.io/kubernetes/cmd/$1
  [[ $1 != etcd ]] || package=go.etcd.io/etcd/server/v3
  CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath' go build -C "$modules" -o "$2" \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$(version)" "$package"
}

check_go() {
  local need have
  need=$(sed -n 's/^go \(.*\)/\1/p' "$modules/go.mod")
  have=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
  [[ -n $have ]] || die "the tests need a Kubernetes: install Go $need or newer (https://go.dev/dl) to have it built," \
    "or name a folder with ${programs[*]}: make METALEV_KUBERNETES=... test"
  [[ $(printf '%s\n' "$need" "$have" | sort --version-sort | head -n 1) == "$need" ]] ||
    die "Go $have is too old to build Kubernetes $(version): it needs $need or newer"
}

main
