"""``python -m metalev.lab demo`` tells the story; ``up`` and ``down`` give a person a Kubernetes to try things on.

``reap`` removes what labs left behind whose programs are gone.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from metalev.lab.kubernetes.proxy import MODES
from metalev.lab.ledger import reap
from metalev.lab.userns import ensure_privileges
from metalev.model.errors import MetalevError


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m metalev.lab", description="A cluster as network namespaces.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="a Service gets an address and keeps it when its node dies")
    demo.add_argument("--kubernetes", action="store_true", help="on a real Kubernetes, told with kubectl")
    demo.set_defaults(run=_demo)
    for name, run, what in (
        ("up", _up, "start a Kubernetes with metalev, in the background"),
        ("down", _down, "end it"),
        ("stay", _stay, "hold it; what `up` starts"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("folder", type=Path, help="where all its files lie")
        command.add_argument("--nodes", type=int, default=3, help="how many (%(default)s)")
        command.add_argument("--mode", choices=MODES, default=MODES[0], help="of kube-proxy (%(default)s)")
        command.set_defaults(run=run)
    chaos = commands.add_parser("chaos", help="seeded faults, judged by what a client is answered")
    chaos.add_argument("--events", type=int, default=1000, help="how many (%(default)s)")
    chaos.add_argument("--seed", type=int, help="of the schedule; a run prints its own")
    chaos.add_argument("--keep", type=Path, metavar="FOLDER", help="for the programs' logs to stay in")
    chaos.set_defaults(run=_chaos)
    sweep = commands.add_parser("reap", help="remove the namespaces and processes of labs whose owner is gone")
    sweep.set_defaults(run=_reap)
    try:
        options = parser.parse_args()
        options.run(options)
    except MetalevError as error:
        sys.exit(f"metalev.lab: error: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as a shell has it; the lab is removed by now


def _demo(options: argparse.Namespace) -> None:
    ensure_privileges()
    # An ordinary user's first round needs nothing of these.
    from metalev.lab.demo import kubernetes, story  # noqa: PLC0415

    (kubernetes if options.kubernetes else story).main()


def _up(options: argparse.Namespace) -> None:
    from metalev.lab.kubernetes import standing  # noqa: PLC0415  (as above)

    standing.up(options.folder.absolute(), nodes=options.nodes, mode=options.mode)


def _down(options: argparse.Namespace) -> None:
    from metalev.lab.kubernetes import standing  # noqa: PLC0415  (as above)

    standing.down(options.folder.absolute())


def _stay(options: argparse.Namespace) -> None:
    ensure_privileges()
    from metalev.lab.kubernetes import standing  # noqa: PLC0415  (as above)

    standing.stay(options.folder, nodes=options.nodes, mode=options.mode)


def _chaos(options: argparse.Namespace) -> None:
    ensure_privileges()
    from metalev.lab.chaos import story  # noqa: PLC0415  (as above)

    sys.exit(story.main(options.events, options.seed, options.keep))


def _reap(_: argparse.Namespace) -> None:
    try:
        for lab_id in reap():
            print(f"removed the leftovers of lab {lab_id}")
    except PermissionError as error:
        sys.exit(
            f"the leftovers of a lab cannot be removed, which needs root: sudo python -m metalev.lab reap ({error})"
        )


if __name__ == "__main__":
    main()
