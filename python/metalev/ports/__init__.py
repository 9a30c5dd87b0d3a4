"""The seams to the outside world, as Protocols. Nothing is implemented here.

Every port that changes something takes the whole wanted state (``set``), so that doing it twice is the same as doing it
once and a restart is the same as a change. Each is held to a contract suite in ``tests/contract`` that the fake and the
real adapter both pass.
"""

from metalev.ports.clock import Clock
from metalev.ports.cluster import Cluster
from metalev.ports.leases import Leases
from metalev.ports.ownership import Ownership

__all__ = ["Clock", "Cluster", "Leases", "Ownership"]
