"""metalev: addresses for ``type: LoadBalancer`` Services on bare metal.

The layers, arrows pointing down only: ``cli``, ``controller`` | ``speaker``, ``runtime`` | ``adapters``, ``ports``,
``decide``, ``model``. ``ARCHITECTURE.md`` says what each is for and what is absent from it.
"""

# That of the package; asking the package for it would take a fifth of the time in which a program starts.
__version__ = "0.1.0"
