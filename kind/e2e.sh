#!/usr/bin/env bash
# e2e.sh [PYTEST ARGUMENT...]: builds the image, installs it on a kind cluster and runs tests/e2e against that. The
# cluster is made if it is not there and kept afterwards; `e2e.sh --delete` deletes it. KEEP=image builds no image.
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

cluster=metalev
client=metalev-client
image=metalev:$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)
engine=''
KUBECONFIG=''

main() {
  needs kind "https://kind.sigs.k8s.io"
  needs kubectl "https://kubernetes.io/docs/tasks/tools"
  engine=$(find_engine)
  [[ $engine != podman ]] || export KIND_EXPERIMENTAL_PROVIDER=podman
  if [[ ${1:-} == --delete ]]; then
    "$engine" rm -f "$client" >/dev/null 2>&1 || true
    step "deleting the cluster" kind delete cluster --name "$cluster"
    return
  fi
  [[ -x .venv/bin/python ]] || die "the tests' environment is missing: make check"
  [[ -d tests/e2e ]] || die "tests/e2e is missing: there is nothing to run"
  [[ ${KEEP:-} == image ]] || step "building $image" "$engine" build -t "$image" -f Containerfile .
  make_cluster
  step "loading $image into the nodes" load_image
  step "installing metalev" install_metalev
  step "starting the client" start_client
  export METALEV_E2E_KUBECONFIG=$KUBECONFIG METALEV_E2E_CLIENT="$engine exec $client"
  echo "the tests run against $KUBECONFIG; the client is the container $client"
  .venv/bin/python -m pytest tests/e2e "$@"
}

# needs COMMAND WHERE
needs() {
  command -v "$1" >/dev/null || die "$1 is missing: see $2"
}

find_engine() {
  local candidate
  for candidate in docker podman; do
    if command -v "$candidate" >/dev/null && "$candidate" info >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  die "kind needs docker or podman, and neither answers: install one, start it, and let this user use it"
}

make_cluster() {
  kind get clusters 2>/dev/null | grep -qx "$cluster" ||
    step "making a cluster of three nodes" kind create cluster --config kind/cluster.yaml --wait 120s
  KUBECONFIG=$(mktemp --suffix .kubeconfig)
  export KUBECONFIG
  kind get kubeconfig --name "$cluster" >"$KUBECONFIG"
  # kubeadm keeps pods and addresses away from the control plane; three nodes that do both are few enough.
  kubectl label nodes --all node.kubernetes.io/exclude-from-external-load-balancers- >/dev/null
  kubectl taint nodes --all node-role.kubernetes.io/control-plane- >/dev/null 2>&1 || true
}

# What runs as a step does not stop at a command that fails, so each of these depends on the one before.

# A container on the nodes' network that is none of them; the nodes' image has curl, ip and bash.
start_client() {
  local of_nodes
  "$engine" rm -f "$client" >/dev/null 2>&1 || true
  of_nodes=$("$engine" inspect -f '{{.Config.Image}}' "$cluster-control-plane") &&
    "$engine" run -d --name "$client" --network kind --cap-add NET_ADMIN --entrypoint sleep "$of_nodes" infinity
}

# podman's images are not where kind looks for docker's, but both can write an archive.
load_image() {
  local archive name=$image status=0
  archive=$(mktemp --suffix .tar) || return
  # To a kubelet, metalev is docker.io/library/metalev, as to docker; podman calls what it built localhost/metalev.
  [[ $engine != podman ]] || name=docker.io/library/$image
  "$engine" tag "$image" "$name" && "$engine" save -o "$archive" "$name" &&
    kind load image-archive --name "$cluster" "$archive" || status=$?
  rm -f "$archive"
  return "$status"
}

install_metalev() {
  kubectl apply -k deploy &&
    # An image of the same name was built anew.
    kubectl -n metallb-system rollout restart deployment/controller daemonset/speaker &&
    kubectl -n metallb-system rollout status --timeout 120s deployment/controller &&
    kubectl -n metallb-system rollout status --timeout 120s daemonset/speaker
}

main "$@"
