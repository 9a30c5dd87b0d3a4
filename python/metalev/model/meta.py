"""Names, labels and selectors: what every object has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

Labels: TypeAlias = Mapping[str, str]


class Kind(StrEnum):
    """The kinds of object that metalev reads, by the name that a manifest gives them."""

    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"
    NODE = "Node"
    NAMESPACE = "Namespace"
    POOL = "IPAddressPool"
    L2_ADVERTISEMENT = "L2Advertisement"
    SECRET = "Secret"  # noqa: S105  (the name of a kind)
    SPEAKER_STATE = "SpeakerState"
    CONFIG_MAP = "ConfigMap"
    POD = "Pod"
    DRILL = "Drill"


class Name(Struct, frozen=True, order=True):
    """``namespace/name``; the namespace of a cluster-scoped object is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ObjectKey(Struct, frozen=True, order=True):
    """One object among all kinds."""

    kind: Kind
    name: Name

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Operator(StrEnum):
    """The operators of a label selector's expressions (Kubernetes, ``metav1.LabelSelectorOperator``)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Expression(Struct, frozen=True):
    """One requirement on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether ``labels`` meet it. As in Kubernetes, ``NotIn`` holds where the label is absent."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


class LabelSelector(Struct, frozen=True):
    """A conjunction of requirements; the empty selector matches everything."""

    match_labels: Labels = {}
    match_expressions: tuple[Expression, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether ``labels`` meet every requirement."""
        equal = all(labels.get(key) == value for key, value in self.match_labels.items())
        return equal and all(expression.matches(labels) for expression in self.match_expressions)


def any_matches(selectors: tuple[LabelSelector, ...], labels: Labels) -> bool:
    """MetalLB's rule for a list of selectors: they are alternatives, and no list at all means everything."""
    return not selectors or any(selector.matches(labels) for selector in selectors)
