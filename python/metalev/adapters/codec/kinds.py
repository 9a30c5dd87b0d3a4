"""Which kinds there are for metalev: read, to come, known to be somebody else's business, and unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from metalev.model.meta import Kind

GroupKind: TypeAlias = tuple[str, str]

METALLB = "metallb.io"

API_VERSION: Mapping[Kind, str] = {
    Kind.SERVICE: "v1",
    Kind.ENDPOINT_SLICE: "discovery.k8s.io/v1",
    Kind.NODE: "v1",
    Kind.NAMESPACE: "v1",
    Kind.POOL: "metallb.io/v1beta1",
    Kind.L2_ADVERTISEMENT: "metallb.io/v1beta1",
    Kind.SECRET: "v1",
    Kind.SPEAKER_STATE: "metalev.io/v1alpha1",
    Kind.CONFIG_MAP: "v1",
    Kind.POD: "v1",
    Kind.DRILL: "metalev.io/v1alpha1",
}

CLUSTER_SCOPED = frozenset({Kind.NODE, Kind.NAMESPACE, Kind.SPEAKER_STATE})

# MetalLB's configuration that metalev does not act upon yet. Silence would let the user believe that it does.
NOT_YET: Mapping[GroupKind, str] = {
    (METALLB, "BGPPeer"): "not supported yet",
    (METALLB, "BGPAdvertisement"): "not supported yet",
    (METALLB, "BFDProfile"): "not supported yet",
    (METALLB, "Community"): "not supported yet",
    (
        METALLB,
        "AddressPool",
    ): "not supported, MetalLB removed it as well: write an IPAddressPool and an L2Advertisement",
}

# What tutorials, charts and `kubectl get -o yaml` put beside Services: somebody else's business, not worth a word.
NOT_OURS: frozenset[GroupKind] = frozenset(
    (group, kind)
    for group, kinds in {
        "": "ServiceAccount Endpoints Event PersistentVolume PersistentVolumeClaim ReplicationController "
        "LimitRange ResourceQuota PodTemplate Binding",
        "apps": "Deployment StatefulSet DaemonSet ReplicaSet ControllerRevision",
        "batch": "Job CronJob",
        "networking.k8s.io": "Ingress IngressClass NetworkPolicy",
        "rbac.authorization.k8s.io": "Role RoleBinding ClusterRole ClusterRoleBinding",
        "apiextensions.k8s.io": "CustomResourceDefinition",
        "apiregistration.k8s.io": "APIService",
        "admissionregistration.k8s.io": "ValidatingWebhookConfiguration MutatingWebhookConfiguration "
        "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
        "autoscaling": "HorizontalPodAutoscaler",
        "policy": "PodDisruptionBudget PodSecurityPolicy",
        "scheduling.k8s.io": "PriorityClass",
        "storage.k8s.io": "StorageClass CSIDriver VolumeAttachment",
        "coordination.k8s.io": "Lease",
        "events.k8s.io": "Event",
        "kustomize.config.k8s.io": "Kustomization Component",
        METALLB: "ServiceL2Status ServiceBGPStatus ConfigurationState",
    }.items()
    for kind in kinds.split()
)


def split_api_version(api_version: str) -> tuple[str, str]:
    """``group/version`` in two; the group of ``v1`` is empty."""
    group, _, version = api_version.rpartition("/")
    return group, version
