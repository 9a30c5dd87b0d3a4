"""``python -m metalev.lab demo`` tells the story; ``reap`` removes what labs left behind whose programs are gone."""

from __future__ import annotations

import argparse
import signal
import sys

from metalev.lab.ledger import reap
from metalev.lab.userns import ensure_privileges
from metalev.model.errors import MetalevError


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m metalev.lab", description="A cluster as network namespaces.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="a Service gets an address and keeps it when its node dies")
    demo.set_defaults(run=_demo)
    sweep = commands.add_parser("reap", help="remove the namespaces and processes of labs whose owner is gone")
    sweep.set_defaults(run=_reap)
    try:
        parser.parse_args().run()
    except MetalevError as error:
        sys.exit(f"metalev.lab: error: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as a shell has it; the lab is removed by now


def _demo() -> None:
    ensure_privileges()
    from metalev.lab.demo import story  # noqa: PLC0415  (an ordinary user's first round needs nothing of it)

    story.main()


def _reap() -> None:
    try:
        for lab_id in reap():
            print(f"removed the leftovers of lab {lab_id}")
    except PermissionError as error:
        sys.exit(
            f"the leftovers of a lab cannot be removed, which needs root: sudo python -m metalev.lab reap ({error})"
        )


if __name__ == "__main__":
    main()
