"""``metalev speaker``: who may announce goes down to the engine, what the engine does comes up."""
