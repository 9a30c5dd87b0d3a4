"""``make demo``: the main job on real input, told as a terminal session.

``story`` is what happens, ``narrator`` how it is shown; ``manifests`` are the files that a user writes.
"""
