"""What a client of an address feels: how long it is silent, which connections it loses, who answers for it.

``timeline`` is arithmetic, on times that it is given; ``connects``, ``held`` and ``neighbours`` are sockets, driven by
``run``; ``way`` finds the interface to ask on, ``report`` is what is printed at the end.
"""
