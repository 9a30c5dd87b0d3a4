"""The garbage collector is set for a program, not for a library: it concerns the whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import gc
from metalev.cli.main import main
import metalev.{program}.main as module
module.run = lambda options: print(gc.get_threshold(), gc.get_freeze_count() > 10_000)
main({arguments})
"""


@pytest.mark.parametrize(
    ("program", "arguments"), [("controller", []), ("speaker", ["--node-name", "n"])], ids=["controller", "speaker"]
)
def test_a_program_sets_the_collector_before_it_runs(program: str, arguments: list[str]) -> None:
    code = CODE.format(program=program, arguments=[program, "--manifests", ".", *arguments])
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "(20000, 20, 100) True\n"
