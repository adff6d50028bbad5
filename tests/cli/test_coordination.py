"""Coordination from the command line: commands that run while something is held, and what many programs share."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from click.testing import CliRunner

from ropewalk.cli.main import main
from tests.cli.running import ROOT, Running, asked, ropewalk, running

PRINT_TOKEN = (sys.executable, "-c", "import os; print(os.environ['ROPEWALK_TOKEN'])")


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    """One service for all of these tests: each has names of its own."""
    with running("up", "coordination", "--engine", "memory:", "--partitions", "3") as service:
        yield service
        assert service.stop() == 0


def test_a_command_runs_while_the_lock_is_held_and_has_its_token(service: Running) -> None:
    tokens = []
    for _ in range(2):
        ran = ropewalk("lock", "jobs/report", "--url", service.url, "--json", "--", *PRINT_TOKEN)
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stderr) == {"name": "jobs/report", "token": int(ran.stdout)}
        tokens.append(int(ran.stdout))
    assert tokens[0] < tokens[1]
    assert httpx.get(f"{service.url}/claims", params={"name": "jobs/report"}).json()["held"] == []


def test_the_exit_code_is_the_commands(service: Running) -> None:
    command = ("lock", "jobs/exit", "--url", service.url, "--")
    assert ropewalk(*command, sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    absent = ropewalk(*command, "no-such-program")
    assert (absent.returncode, "can't run no-such-program" in absent.stderr) == (127, True)
    assert ropewalk(*command, sys.executable, "-c", "raise SystemExit(1)").returncode == 1
    nowhere = ropewalk("lock", "jobs/exit", "--url", "http://127.0.0.1:9", "--", *PRINT_TOKEN)
    assert (nowhere.returncode, "ropewalk up coordination" in nowhere.stderr) == (69, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("lock", ""), "it is empty: give a name"),
        (("config", "get", ""), "it is empty: give a name"),
        (("config", "list", ""), "it is empty: give a name"),
        (("counter", "add", ""), "it is empty: give a name"),
        (("election", "leader", ""), "it is empty: give a name"),
        (("lock", "jobs/a", "--ttl", "0"), "0.1<=x<=86400"),
        (("lease", "jobs/a", "--ttl", "0"), "0.1<=x<=86400"),
        (("semaphore", "pool/a", "--permits", "2", "--takes", "3"), "it can't take 3 of 2"),
        (("semaphore", "pool/a", "--permits", "1000001"), "1<=x<=1000000"),
    ],
)
def test_what_can_not_be_asked_for_is_a_wrong_use(words: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, told in done.stderr) == (2, True)


def test_the_exit_codes_are_in_the_help() -> None:
    for words in (["lock"], ["semaphore"], ["election", "lead"]):
        told = ropewalk(*words, "--help").stdout
        assert all(code in told for code in ("75", "127", "69"))


def test_who_does_not_wait_is_refused_and_runs_nothing(service: Running) -> None:
    wanted = {"name": "jobs/busy", "session": "ada", "ttl_ms": 60_000}
    httpx.post(f"{service.url}/claims/acquire", json=wanted).raise_for_status()
    ran = ropewalk("lock", "jobs/busy", "--wait", "0", "--url", service.url, "--", *PRINT_TOKEN)
    assert (ran.returncode, ran.stdout) == (75, "")
    assert "'jobs/busy' is not free" in ran.stderr


def test_who_has_it_and_who_waits_is_told(service: Running) -> None:
    assert ropewalk("claims", "who", "jobs/who", "--url", service.url).stdout == "nobody has it\n"
    for session in ("ada", "ben", "cleo"):
        wanted = {"name": "jobs/who", "session": session, "ttl_ms": 60_000, "wait_s": 0.01}
        httpx.post(f"{service.url}/claims/acquire", json=wanted).raise_for_status()
    [who] = asked(service, "claims", "who", "jobs/who")
    [held], queue = who["held"], who["queue"]
    assert [held["session"], *(each["session"] for each in queue)] == ["ada", "ben", "cleo"]
    words = ropewalk("claims", "who", "jobs/who", "--url", service.url).stdout
    assert words == f"ada has it (token {held['token']})\nben waits\ncleo waits\n"
    wanted = {"name": "pool/who", "kind": "semaphore", "session": "ada", "ttl_ms": 60_000, "permits": 4, "takes": 3}
    token = httpx.post(f"{service.url}/claims/acquire", json=wanted).json()["token"]
    words = ropewalk("claims", "who", "pool/who", "--kind", "semaphore", "--url", service.url).stdout
    assert words == f"ada has it (token {token}), 3 of 4 permits\n"
    assert asked(service, "claims", "who", "cluster/who", "--kind", "election")[0]["held"] == []


def test_a_command_is_needed(service: Running) -> None:
    ran = ropewalk("lock", "jobs/none", "--url", service.url)
    assert (ran.returncode, "give a command" in ran.stderr) == (2, True)
    ran = ropewalk("semaphore", "jobs/none", "--url", service.url, "--", *PRINT_TOKEN)
    assert (ran.returncode, "--permits" in ran.stderr) == (2, True)


def test_a_lease_is_taken_renewed_and_ended(service: Running) -> None:
    [lease] = asked(service, "lease", "jobs/lease", "--ttl", "60")
    [held] = httpx.get(f"{service.url}/claims", params={"name": "jobs/lease"}).json()["held"]
    assert (held["session"], held["token"]) == (lease["session"], lease["token"])
    busy = ropewalk("lease", "jobs/lease", "--wait", "0", "--url", service.url)
    assert (busy.returncode, "'jobs/lease' is not free" in busy.stderr) == (75, True)
    [renewed] = asked(service, "lease", "jobs/lease", "--renew", lease["session"])
    assert renewed["token"] == lease["token"]
    assert 50 < renewed["left_s"] <= 60
    assert asked(service, "lease", "jobs/lease", "--end", lease["session"]) == []
    over = ropewalk("lease", "jobs/lease", "--renew", lease["session"], "--url", service.url)
    assert (over.returncode, "it has ended or never began" in over.stderr) == (1, True)


@contextmanager
def holding(service: Running, name: str) -> Iterator["subprocess.Popen[str]"]:
    """`ropewalk lock` with a command that runs until its input ends, once it runs."""
    program = "import sys; print('runs', flush=True); sys.stdin.read()"
    command = [sys.executable, "-m", "ropewalk", "lock", name, "--ttl", "1", "--url", service.url, "--"]
    command += [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        yield process


def test_a_command_whose_session_is_lost_is_ended(service: Running) -> None:
    with holding(service, "jobs/lost") as process:
        [held] = httpx.get(f"{service.url}/claims", params={"name": "jobs/lost"}).json()["held"]
        httpx.post(f"{service.url}/sessions/end", json={"space": "jobs", "session": held["session"]})
        assert process.wait(timeout=20) == 75
        assert process.stderr is not None
        assert "is lost, and what it had may be another's" in process.stderr.read()


def test_a_signal_ends_the_command_and_the_lock_is_free(service: Running) -> None:
    with holding(service, "jobs/stopped") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert httpx.get(f"{service.url}/claims", params={"name": "jobs/stopped"}).json()["held"] == []


def test_permits_and_the_lead_are_held_the_same_way(service: Running) -> None:
    ran = ropewalk("semaphore", "pool/gpu", "--permits", "2", "--url", service.url, "--", *PRINT_TOKEN)
    assert ran.returncode == 0, ran.stderr
    script = f"{sys.executable} -m ropewalk election leader cluster/primary --json --url {service.url}"
    led = ropewalk(
        "election", "lead", "cluster/primary", "--value", "10.0.0.1", "--url", service.url, "--", *script.split()
    )
    assert json.loads(led.stdout)["value"] == "10.0.0.1"
    nobody = ropewalk("election", "leader", "cluster/primary", "--url", service.url)
    assert "nobody leads 'cluster/primary'" in nobody.stderr


def test_the_lead_is_followed(service: Running) -> None:
    wanted = {"name": "cluster/other", "session": "ada", "kind": "election", "ttl_ms": 60_000, "value": "10.0.0.9"}
    httpx.post(f"{service.url}/claims/acquire", json=wanted).raise_for_status()
    [leader] = asked(service, "election", "watch", "cluster/other", "--count", "1")
    assert (leader["what"], leader["value"]) == ("elected", "10.0.0.9")


def test_configuration_is_set_read_listed_and_followed(service: Running) -> None:
    [first] = asked(service, "config", "set", "app/limit", "10", "--version", "0")
    again = ropewalk("config", "set", "app/limit", "11", "--version", "0", "--url", service.url)
    assert again.returncode == 1
    assert f"the key's version is {first['version']}, another version than was expected" in again.stderr
    never = ropewalk("config", "set", "app/other", "11", "--version", "9", "--url", service.url)
    assert "the key's version is 0 (it is not there), another version than was expected" in never.stderr
    assert asked(service, "config", "get", "app/limit")[0]["value"] == "10"
    assert [each["name"] for each in asked(service, "config", "list", "app/")] == ["app/limit"]
    [seen] = asked(service, "config", "watch", "app/", "--count", "1")
    assert (seen["name"], seen["version"]) == ("app/limit", first["version"])
    asked(service, "config", "delete", "app/limit", "--version", str(first["version"]))
    assert "there is no key 'app/limit'" in ropewalk("config", "get", "app/limit", "--url", service.url).stderr


def test_claims_are_listed_and_followed(service: Running) -> None:
    wanted = {"name": "night/a", "session": "ada", "ttl_ms": 60_000}
    token = httpx.post(f"{service.url}/claims/acquire", json=wanted).json()["token"]
    [listed] = asked(service, "claims", "list", "night/")
    assert (listed["name"], listed["claims"]["held"][0]["session"]) == ("night/a", "ada")
    words = ropewalk("claims", "list", "night/", "--url", service.url).stdout
    assert words == f"night/a: ada has it (token {token})\n"
    words = ropewalk("claims", "watch", "night/a", "--count", "1", "--url", service.url).stdout
    assert words == f"night/a: held by ada (token {token})\n"
    assert ropewalk("claims", "who", "night/b", "--url", service.url).stdout == "nobody has it\n"


def test_counters_are_listed_and_followed(service: Running) -> None:
    asked(service, "counter", "set", "visits/today", "3")
    assert asked(service, "counter", "list", "visits/") == [{"name": "visits/today", "value": 3}]
    words = ropewalk("counter", "watch", "visits/", "--count", "1", "--url", service.url).stdout
    assert words == "visits/today = 3\n"


def test_counters_are_added_to_and_set(service: Running) -> None:
    assert asked(service, "counter", "add", "hits/today") == [{"name": "hits/today", "value": 1}]
    assert asked(service, "counter", "add", "hits/today", "-5")[0]["value"] == -4
    assert asked(service, "counter", "set", "hits/today", "7", "--expected", "-4")[0]["value"] == 7
    assert ropewalk("counter", "get", "hits/today", "--url", service.url).stdout == "7\n"


def test_where_no_service_answers_the_error_says_so() -> None:
    ran = ropewalk("counter", "get", "hits/today", "--url", "http://127.0.0.1:9")
    assert ran.returncode == 69
    assert "ropewalk up coordination" in ran.stderr
