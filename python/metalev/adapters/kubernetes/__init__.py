"""The world as an API server.

``credentials`` finds the server (the ``kubernetes`` package does, in a child process), ``api`` asks it,
``reflector`` lists and watches one kind, ``mirror`` puts versions in order and tells what changed; ``cluster`` is the
port, ``events`` and ``lease`` are what only an API server has.
"""

from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.cluster import CONTROLLER, KubernetesCluster
from metalev.adapters.kubernetes.lease import KubernetesLease

__all__ = ["CONTROLLER", "Api", "KubernetesCluster", "KubernetesLease"]
