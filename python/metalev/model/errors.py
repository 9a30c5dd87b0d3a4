"""What can go wrong, in two branches: we or our caller erred, or somebody sent us rubbish.

::

    MetalevError
    ├── BadInput            what a user or a peer gave us; named, reported, and nothing else is lost
    │   └── BadValue        one field of it, in words that say what would be right
    ├── StaleWrite          the object changed since it was read: look again, then decide again
    ├── Unavailable         the other side is not there; retry with backoff
    └── StartError          the program cannot start; one line for the operator, non-zero exit
"""


class MetalevError(Exception):
    """The root of every error that metalev raises on purpose."""


class BadInput(MetalevError):
    """A resource, frame or option that cannot be used as it is."""


class BadValue(BadInput):
    """One value of an input is wrong; the message says what would be right."""


class StaleWrite(MetalevError):
    """The object to be written is no longer the one that was read."""


class Unavailable(MetalevError):
    """The cluster or the disk does not answer now."""

    told = False
    """Whether the log says so already: what a thousand Services suffer from is one line."""


class StartError(MetalevError):
    """The program cannot start; the message is one line that says what to do."""
