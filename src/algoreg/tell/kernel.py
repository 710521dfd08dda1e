"""A notebook's kernel as a fork of its job: it has at once what the job has loaded,
where a kernel of its own takes seconds.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import LocalProvisioner

INLINE = "module://matplotlib_inline.backend_inline"


class _Fork:
    """A kernel's process, by the names of :class:`subprocess.Popen`, as Jupyter asks for it."""

    stdin = stdout = stderr = None

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_be_kernel, args=(arguments, environment), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid or 0, number)


class _Provisioner(LocalProvisioner):
    async def launch_kernel(self, cmd: list[str], **started: Any) -> Any:
        fork: Any = _Fork(cmd[cmd.index("-f") :], started["env"])
        self.process, self.pid = fork, fork.pid
        return self.connection_info


def fork_in(manager: KernelManager) -> None:
    """Let a manager's Python kernel, not yet started, be a fork of this process,
    where a system's libraries survive that.

    This process must have one thread.
    """
    if sys.platform == "linux":
        manager.provisioner = _Provisioner(kernel_spec=manager.kernel_spec, parent=manager)


def _be_kernel(arguments: list[str], environment: Mapping[str, str]) -> None:
    from ipykernel.kernelapp import IPKernelApp

    # The kernel shows what is said itself: not into the job's log.
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    # The job's loop, and what its signals would wake.
    asyncio.set_event_loop(asyncio.new_event_loop())
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    if matplotlib := sys.modules.get("matplotlib"):
        # A matplotlib that is loaded has read the user's own matplotlibrc, and does not read what the kernel says in
        # the environment. The shell that shows pictures is not there yet: what names a backend loads it, but this does
        # not.
        matplotlib.rcdefaults()
        matplotlib.rcParams["backend"] = INLINE
    # So told, it ends with the job.
    IPKernelApp.launch_instance([*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])
