"""``metalev``: finds the subcommand and turns its errors into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from metalev import __version__
from metalev.cli import controller, drill, probe, speaker, status, why
from metalev.model.errors import MetalevError

SUBCOMMANDS = (controller, speaker, status, why, probe, drill)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``metalev`` with ``arguments`` (by default the process's); returns the exit status.

    0 after a clean end, 1 if it could not start or go on, 2 for a command line that makes no sense, 130 if interrupted.
    Of ``status`` and ``why``: 1 if something is wrong with what they look at, 2 if they cannot look; of ``probe``: 1 if
    nothing was ever answered, 2 if it could not probe.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int | None = options.run(options)
    except MetalevError as error:
        print(f"metalev: error: {error}", file=sys.stderr)
        return int(options.failure)
    except BrokenPipeError:
        # Whoever reads has seen enough (`| head`); without this the flush at the end would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        # Only before or after a program runs: while it does, the signal means a clean end.
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="metalev", description="LoadBalancer Services on bare-metal Kubernetes.")
    parser.set_defaults(failure=1)
    parser.add_argument("--version", action="version", version=f"metalev {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        subcommand.register(subparsers)
    return parser
