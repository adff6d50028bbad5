"""Whoever builds on ropewalk has its types: the marker of PEP 561 goes with the package."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from ropewalk import open_engine

reveal_type(open_engine("memory:"))
open_engine(1)
"""


def test_mypy_sees_the_types_from_outside_the_repository(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert 'Revealed type is "ropewalk.data.engine.Engine"' in done.stdout, done.stdout + done.stderr
    assert 'expected "str"' in done.stdout
    assert "Found 1 error" in done.stdout
