"""Changes in, reconciles out: the store, the queue of names and the loop between them.

Level-based throughout: a reconcile is told a name and reads the snapshot. Events are never acted upon directly.
"""
