"""The demonstration, made small: it checks itself, and here its exit code is checked."""

import os
import socket
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_demonstration_settles_the_examples_and_balances() -> None:
    command = [sys.executable, "-m", "ropewalk", "demo", "--once", "--entries", "2000", "--seconds", "0.2"]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for line in (
        "Debits equal credits",
        "Debits still equal credits",
        "R01 insufficient funds",
        "refused",
        "Sent twice with one id: created, then exists",
        "0110 code 51",
        "0230 code 00",
        "0430 code 00",
        "all that it kept, is forgotten",
    ):
        assert line in ran.stdout
    assert ran.stdout.count("broken.ach, line") == 3


def test_it_listens_on_the_port_that_is_given_also_if_it_is_to_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "ropewalk", "demo", "--once", "--port", port]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 1
    assert f"can't listen on 127.0.0.1, port {port}" in ran.stderr
    assert "stays up" not in ran.stdout


def test_that_it_will_stay_up_is_said_at_the_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ropewalk", "demo", "--port", "0", "--entries", "10", "--seconds", "0"]
    environment = {**os.environ, "CI": "", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        opening = [demo.stdout.readline() for _ in range(2)]
        demo.kill()
    assert "it stays up" in opening[1]


def test_without_the_examples_at_hand_the_same_files_are_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ropewalk", "demo", "--once", "--entries", "10", "--seconds", "0"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("broken.ach, line") == 3
