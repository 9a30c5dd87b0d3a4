"""Pure decisions: from what is known to what should be. No clock, no I/O, nothing random.

``allocation`` gives Services addresses from the ``ledger``; ``candidates`` says which nodes may announce a Service and
``groups`` which addresses move together; ``controller`` and ``speaker`` put these to use, and ``diff`` turns what is
wanted into actions.
"""
