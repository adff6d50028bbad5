"""`ropewalk serve` as an operator meets it: started, asked, stopped, and refused with a sentence to act on."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread

import httpx
import pytest

from tests.cli.running import ROOT, ropewalk, running

SERVICE = "tests.cli.served:SERVICE"


def test_a_served_service_answers_stops_with_0_and_finds_its_state_again(tmp_path: Path) -> None:
    engine = f"sqlite:{tmp_path}"
    with running("serve", SERVICE, "--engine", engine) as first:
        assert first.started["service"] == "counters"
        assert first.started["event"] == "started"
        done = httpx.post(f"{first.url}/commands/Add", json={"counter": "a", "amount": 3}).json()
        second = ropewalk("serve", SERVICE, "--engine", engine, "--port", "0")
        assert second.returncode == 1
        assert "Traceback" not in second.stderr
        assert str(tmp_path) in second.stderr
        assert first.stop() == 0
    with running("serve", SERVICE, "--engine", engine) as again:
        headers = {"Ropewalk-Token": done["token"]}
        assert httpx.get(f"{again.url}/state/a", headers=headers).json()["value"] == 3
        port = again.url.rpartition(":")[2]
        folder = tmp_path / "not made"
        taken = ropewalk("serve", SERVICE, "--port", port, "--engine", f"sqlite:{folder}")
        assert taken.returncode == 1
        assert f"can't listen on 127.0.0.1, port {port}" in taken.stderr
        assert "Traceback" not in taken.stderr
        assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["no_such_module:service"], 1, "no module 'no_such_module'"),
        (["tests.cli.served:nothing"], 1, "tests.cli.served has no 'nothing', but tests.cli.served:SERVICE"),
        (["tests.cli.served:counters"], 1, "'counters' in tests.cli.served is no ropewalk.Service, but function"),
        (["tests.cli.running:service"], 1, "tests.cli.running has no 'service', and no ropewalk.Service"),
        (["counters"], 2, "MODULE:SERVICE"),
        ([":seats"], 2, "MODULE:SERVICE"),
        (["tests/cli/served.py:SERVICE"], 2, "write tests.cli.served:SERVICE, as it is imported"),
        (["./tests/cli/served:SERVICE"], 2, "write tests.cli.served:SERVICE, as it is imported"),
        ([".served:SERVICE"], 2, "write served:SERVICE, as it is imported"),
        ([SERVICE, "--engine", "floppy:a"], 1, "no engine at 'floppy:a'"),
    ],
)
def test_what_can_not_be_served_is_told_in_a_sentence(words: list[str], code: int, told: str) -> None:
    done = ropewalk("serve", *words)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("\ndef apply(:\n    pass\n", "line 2: invalid syntax\n  def apply(:"),
        ("\nimport no_such_module\n", "line 2: No module named 'no_such_module'"),
        ("from ropewalk import Nothing\n", "line 1: cannot import name 'Nothing' from 'ropewalk'"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(source: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(source)
    (tmp_path / "seats.py").write_text("import wrong\n")
    for name in ("wrong:seats", "seats:seats"):
        command = [sys.executable, "-m", "ropewalk", "serve", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert f"{tmp_path}/wrong.py, {told}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_start_tells_a_folder_that_is_new_from_one_that_goes_on(tmp_path: Path) -> None:
    def lines(engine: str) -> tuple[str, str]:
        command = [sys.executable, "-m", "ropewalk", "serve", SERVICE, "--engine", engine, "--port", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as serving:
            assert serving.stdout is not None
            first = serving.stdout.readline()
            serving.terminate()
            return first.strip().partition("kept in ")[2], serving.stdout.read().splitlines()[-1].split(", ")[1]

    engine = f"sqlite:{tmp_path}/data"
    assert lines(engine) == (f"{engine}, which is new", "and saving the state")
    assert lines(engine) == (f"{engine}, which goes on", "and saving the state")
    assert lines("memory:") == ("memory:, until it stops", "and forgetting the state")


class Collector(BaseHTTPRequestHandler):
    """Takes what an OpenTelemetry exporter sends, and keeps the path and the bytes."""

    received: "Queue[tuple[str, bytes]]" = Queue()

    def do_POST(self) -> None:
        self.received.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_traces_go_by_otlp_to_where_the_standard_variable_says() -> None:
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = Thread(target=collector.serve_forever)
        thread.start()
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_SERVICE_NAME": "till",
        }
        with running("serve", SERVICE, environment=environment) as served:
            assert httpx.post(f"{served.url}/commands/Add", json={"counter": "a", "amount": 3}).status_code == 200
            assert served.stop() == 0
        path, sent = Collector.received.get(timeout=10)
        collector.shutdown()
        thread.join()
    assert path == "/v1/traces"
    for word in (b"till", b"POST /commands/Add", b"append", b"apply"):
        assert word in sent


def test_the_line_for_programs_is_json_and_nothing_else() -> None:
    with running("serve", SERVICE) as served:
        assert set(served.started) == {"event", "service", "url", "engine", "partitions"}
        assert json.dumps(served.started)
        assert served.process.stdout is not None
        assert served.stop() == 0
        assert served.process.stdout.read() == ""
