"""The world as a directory: manifests that people edit, and beside them what metalev writes.

``tree`` notices changed files, ``documents`` and ``manifest`` read one, ``manifests`` and ``state`` are all of them,
``view`` puts the two together and says what changed, ``watch`` says when to look; ``cluster`` is the port.
"""

from metalev.adapters.files.cluster import FilesCluster
from metalev.adapters.files.lease import FilesLease
from metalev.adapters.files.state import CONTROLLER

__all__ = ["CONTROLLER", "FilesCluster", "FilesLease"]
