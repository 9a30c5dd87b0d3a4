"""A real Kubernetes for the lab: etcd, kube-apiserver, kube-controller-manager and kube-proxy, without containers.

``binaries`` finds the programs, ``certificates`` and ``kubeconfig`` say who may talk to whom, ``controlplane`` runs a
control plane on loopback or in a network namespace::

    with ControlPlane(Path("plane")) as plane:
        plane.kubectl("apply", "-f", "-", stdin=manifest)
        plane.apiserver.kill()
"""
