"""Programs that the benchmarks need and that are not Python's: found, or installed from Debian if we may."""

import os
import shutil
import subprocess
from pathlib import Path


def program(name: str, *, package: str, folder: Path | None = None) -> Path:
    """Where a program is, in `folder` or on the path. Raises FileNotFoundError, saying what to install."""
    found = _found(name, folder)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", package]):
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        found = _found(name, folder)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: apt-get install {package}")
    return Path(found)


def _found(name: str, folder: Path | None) -> str | None:
    return shutil.which(name, path=None if folder is None else str(folder))
