"""Processes that compute one thing together: a job's own, number 0, and others that it starts, instructs and ends.

Process 0 broadcasts every call, with its arguments, and all of them make it on what each holds of the thing; inside
they exchange tensors through torch.distributed (gloo on CPUs, nccl on GPUs). So the others know neither files nor
settings nor the engine, and what has been reached is in process 0 alone. On one machine they are started by torchrun,
in a Slurm allocation of several nodes by srun.

Nothing waits without an end: whoever loses a process finds its connection closed, or gives up after the times below.
"""

import atexit
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta

import torch
import torch.distributed as dist

from algoreg.numerics import devices

# Until all processes have started; until one has done its part of a call; between two calls.
SECONDS = {"start": 300, "call": 600, "idle": 3600}
# A call's name and options in JSON; tensors follow it.
HEADER_BYTES = 2048
# What a process is told by the one that starts it.
TOLD = "ALGOREG_PROCESSES"


class Lost(RuntimeError):
    """A process has ended, does not answer, or did not start."""


def command(count, module, logs):
    """Return the command that starts ``count`` processes of a module, and which variable numbers them from 0.

    torchrun makes folders in ``logs``, which is there; nothing is written to them.
    """
    nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    if nodes > 1:
        # The job's own step holds the allocation; its variables would keep the others on its node.
        step = ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={count}", "--kill-on-bad-exit=1", "--export=ALL"]
        return [*step, sys.executable, "-m", module], "SLURM_PROCID"
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return [*run, "--monitor-interval=0.1", f"--log-dir={logs}", "-m", module], "RANK"


def _join(store, rank, count, kind, seconds):
    """Join the group of all processes and return the one through which calls come."""
    backend = "gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(
        backend, store=store, rank=rank, world_size=count, timeout=timedelta(seconds=seconds["call"])
    )
    return dist.new_group(backend="gloo", timeout=timedelta(seconds=seconds["idle"]))


class Team:
    """The processes of this job, as number 0 sees them; see :func:`team`.

    Parameters
    ----------
    count : int
        How many there are with this one.
    device : torch.device
        Of all of them; on a GPU each takes one.
    module : str
        What the others run: it calls :func:`serve`.
    make : callable
        ``make(rank, count, device, **options)`` returns what a process holds of a thing.
    """

    def __init__(self, count, device, module, make):
        self.count, self.device, self._make = count, device, make
        self.closed, self.released = False, []
        self._held, self._made, self._pids = {}, 0, []
        self._launcher = self._output = None
        if count > 1:
            try:
                self._start(module)
            except BaseException as error:
                self._give_up(error)

    def _start(self, module):
        with tempfile.TemporaryDirectory(prefix="processes-") as logs:
            self._launch(*command(self.count - 1, module, logs))
            names = [f"ready-{rank}" for rank in range(1, self.count)]
            end = time.monotonic() + SECONDS["start"]
            while not self._store.check(names):
                if self._launcher.poll() is not None or time.monotonic() > end:
                    raise Lost(f"not all of {self.count} processes have started within {SECONDS['start']} s")
                time.sleep(0.02)
        here = [json.loads(self._store.get(name)) for name in names]
        self._pids = [pid for node, pid in here if node == socket.gethostname()]
        self._calls = _join(self._store, 0, self.count, self.device.type, SECONDS)

    def _launch(self, started, number):
        host = socket.gethostname() if started[0] == "srun" else "127.0.0.1"
        wait = timedelta(seconds=SECONDS["start"])
        self._store = dist.TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=wait)
        told = {"host": host, "port": self._store.port, "count": self.count, "number": number, "seconds": SECONDS}
        told |= {"device": self.device.type, "threads": torch.get_num_threads(), "first": socket.gethostname()}
        environment = {**os.environ, TOLD: json.dumps(told), "OMP_NUM_THREADS": str(torch.get_num_threads())}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (it is read when a process is lost)
        self._launcher = subprocess.Popen(
            started, env=environment, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
        )

    def make(self, **options):
        """Let every process make what it holds of a new thing, and return the thing's number."""
        self._made += 1
        self._all(self._made, "make", (), options)
        return self._made

    def call(self, number, name, *tensors, **options):
        """Call a method of a thing in every process, with the same arguments,
        and return what it returns in this one.
        """
        return self._all(number, name, tensors, options)

    def _all(self, number, name, tensors, options):
        if self.closed:
            raise Lost("the processes of this ensemble have been ended")
        # In place: things that are no longer needed are added from elsewhere.
        released = self.released[:50]
        del self.released[:50]
        call = {"number": number, "name": name, "options": options, "released": released}
        call["tensors"] = [[str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for tensor in tensors]
        tensors = [tensor.contiguous() for tensor in tensors]
        try:
            if self.count > 1:
                self._send(call, tensors)
            return _done(self._held, call, tensors, lambda: self._make(0, self.count, self.device, **options))
        except BaseException as error:
            if self.count == 1:
                raise
            self._give_up(error)

    def _send(self, call, tensors):
        text = json.dumps(call).encode()
        header = torch.zeros(HEADER_BYTES, dtype=torch.uint8)
        header[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        self._wait(dist.broadcast(header, 0, group=self._calls, async_op=True))
        for tensor in tensors:
            dist.broadcast(tensor, 0)

    def _wait(self, work):
        """Wait until the others have a call, for as long as they live;
        they may wait longer for one than this process for them.

        Gloo does not always see that one was killed. The launcher does, and ends.
        """
        end = time.monotonic() + SECONDS["call"]
        while True:
            try:
                return work.wait(timedelta(seconds=min(1, SECONDS["call"])))
            except RuntimeError:
                if work.is_completed() or self._launcher.poll() is not None or time.monotonic() > end:
                    raise

    def _give_up(self, error):
        """End all processes, which are no longer at the same call, and raise why."""
        elsewhere = isinstance(error, (Lost, dist.DistError)) or re.search("gloo|timed out", str(error), re.IGNORECASE)
        if elsewhere and self._launcher is not None:
            # The launcher needs a moment to see what happened.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._launcher.wait(5)
        self._end()
        if not elsewhere:
            raise error
        said = self._said()
        raise Lost(
            f"an ensemble over {self.count} processes has lost one: {said or error}\n"
            "The job ends; run it again, and it continues from its last checkpoint."
        ) from error

    def _said(self):
        """Return which process the launcher says to have ended, and the end of what all have printed."""
        if self._output is None:
            return ""
        self._output.seek(0)
        text = self._output.read().decode("utf-8", "replace").strip()
        first = re.search(r"Root Cause.*?rank\s*: (\d+).*?exitcode\s*: (-?\d+)", text, re.DOTALL)
        if not first:
            return text[-2000:]
        rank, status = 1 + int(first[1]), int(first[2])
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        before = text.split('\nTraceback (most recent call last):\n  File "<frozen runpy>"')[0]
        return f"process {rank} of 0 to {self.count - 1} {how}\n{before[-1500:] if status >= 0 else ''}".rstrip()

    def _end(self):
        """End the other processes without asking them."""
        self.closed = True
        self._held.clear()
        if self._launcher is not None and self._launcher.poll() is None:
            self._launcher.terminate()
            for pid in self._pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                self._launcher.wait(20)
            except subprocess.TimeoutExpired:
                self._launcher.kill()
                self._launcher.wait()
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def close(self):
        """Let the other processes end."""
        if self.closed:
            return
        if self.count > 1:
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                self._send({"name": "end"}, ())
                self._launcher.wait(20)
        self._end()


def _done(held, call, tensors, make):
    """Make a call on what a process holds, and return what it returns."""
    for number in call["released"]:
        held.pop(number, None)
    if call["name"] == "make":
        held[call["number"]] = make()
        return None
    return getattr(held[call["number"]], call["name"])(*tensors, **call["options"])


_teams: list[Team] = []


def team(count, device, module, make):
    """Return the processes of this job, a :class:`Team`, started if there are none yet;
    others than those asked for are ended first.

    Raises
    ------
    Lost
        If they do not all start.
    """
    if count == 1:
        return Team(count, device, module, make)
    found = [one for one in _teams if not one.closed]
    if found and (found[0].count, found[0].device) == (count, device):
        return found[0]
    close()
    _teams[:] = [Team(count, device, module, make)]
    return _teams[0]


@atexit.register
def close():
    """End the processes of this job."""
    while _teams:
        _teams.pop().close()


def serve(make):
    """Do what process 0 says until it says end: the whole life of every other process; ``make`` as in :class:`Team`."""
    told = json.loads(os.environ[TOLD])
    rank, seconds = 1 + int(os.environ[told["number"]]), told["seconds"]
    _, _ = devices.configure(told["device"], "float64", told["threads"])
    device = torch.device("cpu")
    if told["device"] == "cuda":
        local = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
        # Process 0 has the first GPU of its node.
        shift = int(socket.gethostname() == told["first"])
        device = torch.device("cuda", (local + shift) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    wait = timedelta(seconds=seconds["start"])
    store = dist.TCPStore(told["host"], told["port"], is_master=False, wait_for_workers=False, timeout=wait)
    store.set(f"ready-{rank}", json.dumps([socket.gethostname(), os.getpid()]))
    calls, held = _join(store, rank, told["count"], told["device"], seconds), {}
    while (call := _received(calls))["name"] != "end":
        tensors = [
            torch.empty(shape, dtype=getattr(torch, dtype), device="cpu" if dtype == "int64" else device)
            for dtype, shape in call["tensors"]
        ]
        for tensor in tensors:
            dist.broadcast(tensor, 0)
        _done(held, call, tensors, lambda call=call: make(rank, told["count"], device, **call["options"]))
    dist.destroy_process_group()


def _received(calls):
    """Return the next call."""
    header = torch.zeros(HEADER_BYTES, dtype=torch.uint8)
    try:
        dist.broadcast(header, 0, group=calls)
    except RuntimeError as error:
        sys.exit(f"process 0 has gone or says nothing: {error}")
    return json.loads(bytes(header.tolist()).rstrip(b"\0"))
