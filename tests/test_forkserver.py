"""Scripts in a fork of the server behave as in a process of their own, and nothing is left behind."""

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from algoreg.store import forkserver, handover

pytestmark = [
    pytest.mark.any_kernels,
    pytest.mark.skipif(sys.platform != "linux", reason="the server runs on Linux alone"),
]

# A library that takes long to load, and says by whom it was loaded.
LIBRARY = "import os\nloaded_by = os.getpid()\n"

SCRIPT = """\
import atexit, json, os, sys, tempfile, time
from pathlib import Path
from algoreg.store.handover import hand_over
hand_over("early", "large")
import early, large
atexit.register(print, "the end")
print(json.dumps({
    "parent": os.getppid(), "loaded_here": os.getpid() in (early.loaded_by, large.loaded_by),
    "temporary": tempfile.gettempdir(), "arguments": sys.argv, "folder": os.getcwd(),
    "told": os.environ.get("TOLD"), "name": __name__, "file": __file__, "input": sys.stdin.read(),
}), flush=True)
Path("started").touch()
"""


@pytest.fixture(autouse=True)
def interruptible():
    """Let what the tests start hear an interrupt: it would not where a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Start a server whose jobs find the library, and return it."""
    for name in ("large", "early"):
        (tmp_path / f"{name}.py").write_text(LIBRARY)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(forkserver.__file__).parents[2]}")
    monkeypatch.setenv(handover.PLACE, "")
    (tmp_path / "workflow").mkdir()
    monkeypatch.chdir(tmp_path / "workflow")
    # pytest changes it between the phases of a test.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    # What the scripts of these tests have besides: a workflow's have numbers of threads.
    process = forkserver.start("early", TOLD="something")
    monkeypatch.setenv("TOLD", "something")
    yield process
    process.stdin.close()
    process.wait(20)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the script with an ending and returns what it said,
    its exit status and its errors.
    """

    def run(ending="", **variables):
        (tmp_path / "script.py").write_text(SCRIPT + ending)
        # Elsewhere than where the server was started.
        (tmp_path / "below").mkdir(exist_ok=True)
        command = [sys.executable, tmp_path / "script.py", "a word"]
        environment = {**lasting(), **variables}
        done = subprocess.run(
            command, cwd=tmp_path / "below", env=environment, input="given", capture_output=True, text=True, timeout=60
        )
        first, *rest = done.stdout.splitlines()
        return json.loads(first), rest, done.returncode, done.stderr

    return run


def lasting():
    """Return this process's environment but for what pytest says in it of the phase of a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def started(tmp_path, server, ending):
    """Start the script with an ending; return its first process and its fork, once that is running."""
    (tmp_path / "script.py").write_text(SCRIPT + ending)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"],
        cwd=tmp_path,
        env=lasting(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_for((tmp_path / "started").exists)
    return process, int(children(server.pid)[0])


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_script_does_not_wait_for_what_others_need(tmp_path, monkeypatch):
    waits = "import time\nfrom pathlib import Path\nwhile not Path({!r}).exists():\n    time.sleep(0.01)\n"
    asked, over = tmp_path / "asked", tmp_path / "over"
    # Loaded once the script is about to ask.
    (tmp_path / "first.py").write_text(waits.format(str(asked)) + "time.sleep(0.5)\n")
    (tmp_path / "second.py").write_text(waits.format(str(over)))
    ask = f"from pathlib import Path\nPath({str(asked)!r}).touch()\n"
    hand_over = 'from algoreg.store.handover import hand_over\nhand_over("first")\n'
    (tmp_path / "script.py").write_text(f"{ask}{hand_over}import os, sys\nprint(os.getppid(), 'second' in sys.modules)")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(forkserver.__file__).parents[2]}")
    monkeypatch.setenv(handover.PLACE, "")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    server = forkserver.start("first", "second")
    try:
        command = [sys.executable, tmp_path / "script.py"]
        done = subprocess.run(command, env=lasting(), capture_output=True, text=True, timeout=60)
    finally:
        over.touch()
        server.stdin.close()
        server.wait(20)
    assert done.stdout.split() == [str(server.pid), "False"], done.stderr


def test_a_fork_is_told_all_that_a_process_of_its_own_is(server, run, tmp_path):
    for _ in range(2):
        said, rest, status, errors = run(TMPDIR=str(tmp_path))
        assert said.pop("parent") == server.pid
        assert not said.pop("loaded_here")
        script = str(tmp_path / "script.py")
        assert said == {
            "arguments": [script, "a word"], "folder": str(tmp_path / "below"), "temporary": str(tmp_path),
            "told": "something", "name": "__main__", "file": script, "input": "given",
        }  # fmt: skip
        assert (rest, status, errors) == (["the end"], 0, "")


@pytest.mark.parametrize(
    ("ending", "status", "message"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(False)", 0, ""),
        ("sys.exit(['why'])", 1, "['why']\n"),
        ("atexit.unregister(print)\nsys.stdout.close()", 0, ""),
        ("sys.exit('no such table')", 1, "no such table\n"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong\n"),
        ("import nothing", 1, "ModuleNotFoundError: No module named 'nothing'\n"),
        ("os.kill(os.getpid(), 9)", 137, ""),
    ],
)
def test_the_exit_status_and_the_last_words_are_those_of_the_script(server, run, ending, status, message):
    said, _, code, errors = run(ending)
    assert said["parent"] == server.pid
    assert code == status
    assert errors.endswith(message)
    assert bool(errors) == bool(message)


def test_a_script_runs_where_it_is_if_the_server_is_not_what_it_asks_for(server, run):
    assert run()[0]["parent"] == server.pid
    # A library may have read a variable; the server's libraries have started no threads; the place of a server that is
    # gone.
    for variables in ({"TOLD": "else"}, {"OMP_NUM_THREADS": "2"}, {handover.PLACE: "/nowhere/socket"}):
        said, rest, status, _ = run(**variables)
        assert said["parent"] == os.getpid()
        assert said["loaded_here"]
        assert (rest, status) == (["the end"], 0)


def test_threads_end_before_a_fork_does(server, run):
    said, rest, _, _ = run("import threading\nthreading.Timer(0.3, print, ['a thread']).start()\n")
    assert said["parent"] == server.pid
    assert rest == ["a thread", "the end"]


def test_a_file_of_the_servers_directory_replaces_no_library(server, run):
    Path("large.py").write_text("raise SystemExit('the wrong one')")
    assert run()[0]["parent"] == server.pid


@pytest.mark.parametrize("said", [b"", b"half of", b"no json\n"])
def test_the_server_outlives_scripts_that_are_killed_while_they_speak(server, run, said):
    for streams in ([], [0, 1, 2]):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.environ[handover.PLACE])
            socket.send_fds(client, [b"\n"], streams)
            client.sendall(said)
    assert run()[0]["parent"] == server.pid


def test_a_script_that_is_killed_while_it_waits_for_the_server_never_runs(server, tmp_path):
    (tmp_path / "large.py").write_text("import time\nopen('loading', 'w').close()\ntime.sleep(1)\n" + LIBRARY)
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], cwd=tmp_path, env=lasting(), stdin=subprocess.DEVNULL
    )
    # It writes in the server's directory.
    wait_for(Path("loading").exists)
    process.kill()
    process.wait()
    wait_for(lambda: not children(server.pid))
    time.sleep(1.5)
    wait_for(lambda: not children(server.pid))
    assert not (tmp_path / "started").exists()


def test_a_run_goes_on_where_there_can_be_no_server(tmp_path, monkeypatch):
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv(handover.PLACE, raising=False)
    assert forkserver.start() is None
    assert handover.PLACE not in os.environ
    assert not list(folder.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert forkserver.start() is None


def test_an_edit_of_a_library_of_this_package_counts_for_the_next_script():
    """A job's sidecar holds the digests of its own modules; the server must have loaded none of another's."""
    for path in (Path(__file__).parents[1] / "scripts").glob("*.py"):
        handed = [line for line in path.read_text().splitlines() if "hand_over(" in line]
        assert not any("algoreg" in line.partition("hand_over(")[2] for line in handed), path


def test_a_script_hands_itself_over_before_what_its_preamble_loads():
    handed = 0
    for path in (Path(__file__).parents[1] / "scripts").glob("*.py"):
        source, preamble = path.read_text(), "import snakemake\n"
        written = forkserver.beginning_with_call(source, preamble)
        assert sorted(written.splitlines()) == sorted([*source.splitlines(), preamble.strip()])
        before = [ast.unparse(line) for line in ast.parse(written).body]
        before = before[: before.index(preamble.strip())]
        if "hand_over" in source:
            handed += 1
            assert before[-1].startswith("hand_over("), path
        else:
            assert not before, path
    assert handed > 3


def test_a_fork_ends_with_the_first_process_of_its_script(server, tmp_path):
    process, fork = started(tmp_path, server, "time.sleep(600)\n")
    process.kill()
    process.wait()
    wait_for(lambda: not Path(f"/proc/{fork}").exists())
    assert server.poll() is None


def test_an_interrupt_lets_the_fork_tidy_up_and_does_not_end_the_server(server, tmp_path):
    tidying = "try:\n    time.sleep(600)\nfinally:\n    Path('tidied').touch()\n"
    process, fork = started(tmp_path, server, tidying)
    # The terminal tells all three.
    for one in (server.pid, process.pid, fork):
        os.kill(one, signal.SIGINT)
    assert process.wait(60) == 128 + signal.SIGINT
    assert (tmp_path / "tidied").exists()
    assert server.poll() is None


def test_the_server_ends_with_the_process_that_started_it(tmp_path):
    script = (
        "import os, time\nfrom algoreg.store import forkserver, handover\nserver = forkserver.start()\n"
        "while not os.path.exists(os.environ[handover.PLACE]): time.sleep(0.01)\n"
        "print(server.pid, os.environ[handover.PLACE], flush=True)\ntime.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid, place = process.stdout.readline().split()
    assert Path(place).parent.stat().st_mode & 0o077 == 0
    process.kill()
    process.communicate()
    wait_for(lambda: not Path(place).parent.exists() and not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_leaves_no_folder_where_its_server_was_killed(killed):
    script = (
        "import os\nfrom algoreg.store import forkserver, handover\nserver = forkserver.start()\n"
        f"if {killed}:\n    server.kill()\n    server.wait()\nprint(os.environ[handover.PLACE])\n"
    )
    # Both end with the server, which has their standard error.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert not Path(done.stdout.strip()).parent.exists()
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("ending", forkserver.ENDINGS)
def test_a_server_that_is_told_to_end_leaves_no_folder_and_its_fork_ends_as_others_do(server, tmp_path, ending):
    place = Path(os.environ[handover.PLACE])
    process, fork = started(tmp_path, server, "time.sleep(600)\n")
    os.kill(server.pid, ending)
    assert server.wait(60) == 128 + ending
    assert not place.parent.exists()
    os.kill(fork, ending)
    assert process.wait(60) == 128 + signal.SIGKILL
