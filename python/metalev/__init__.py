"""metalev: addresses for ``type: LoadBalancer`` Services on bare metal.

The layers, arrows pointing down only: ``cli``, ``controller`` | ``speaker``, ``runtime`` | ``adapters``, ``ports``,
``decide``, ``model``. ``ARCHITECTURE.md`` says what each is for and what is absent from it.
"""

from importlib.metadata import version

__version__ = version("metalev")
