"""A cluster's network on one machine: nodes, pods, a client and a router as network namespaces on a bridge.

Tests, the demo and the benchmarks use it. It needs root, and it removes what it made and nothing else::

    with Lab(home_network(nodes=3)) as lab:
        lab.node("node1").spawn(["metalev", "speaker", "--node-name", "node1", ...], log=Path("node1.log"))
        lab.node("node1").kill()
        lab.client.who_has(IPv4Address("192.168.1.200"))

``topology`` says what is to be made, ``lab`` makes it, ``host`` has what can be done to a node. This package file stays
empty of imports, so that the lab's small programs (``pods``, ``prober``) start without loading the rest.
"""
