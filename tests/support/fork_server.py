"""Runs the command in forks of one process that has imported everything, so that a start costs no imports.

As a script: the server, which `commands.py` starts once. A request is arguments, folder, environment and Python to run
first, as JSON, with the files for stdout and stderr; the answers are the process id and, when it ends, the exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

__all__ = ["ForkServer", "Forked"]

# huggingface_hub is not among them: it reads its environment when it is imported.
IMPORTS = (
    "import torch, torchvision, av, cv2, numpy, pydantic.fields, rich.progress, rich.traceback, typer.main\n"
    "import colormnet_cli.film.colorize, colormnet_cli.cli.app, colormnet_cli.cli.groups\n"
)


class Forked:
    """A running command: the part of `subprocess.Popen` that tests use."""

    def __init__(self, connection: socket.socket, stdout: TextIO, stderr: TextIO) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._answers = connection.makefile("r")
        self._connection = connection
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; minus the signal's number where a signal ended it."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("colormnet", timeout or 0)
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it writes to stdout and stderr, when it has ended."""
        texts = ["", ""]

        def read(index: int, file: TextIO) -> None:
            with file:
                texts[index] = file.read()

        readers = [threading.Thread(target=read, args=pair) for pair in enumerate((self.stdout, self.stderr))]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        for reader in readers:
            reader.join()
        return texts[0], texts[1]


class ForkServer:
    """The server's process; it ends with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fork-server-")
        self._address = str(Path(self._folder.name, "socket"))
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._address],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], patch: str) -> Forked:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        request = json.dumps([list(arguments), str(folder), dict(environment), patch]).encode()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [theirs_out, theirs_err])
        connection.sendall(request)
        os.close(theirs_out)
        os.close(theirs_err)
        return Forked(connection, open(ours_out), open(ours_err))


def serve(address: str) -> None:
    """Fork for each request until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who watch the commands
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(16)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            watch(connection)
            os._exit(0)
        connection.close()


def watch(connection: socket.socket) -> None:
    """Start the command of a request, and tell when it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, files, _, _ = socket.recv_fds(connection, 4, 2)
    with connection.makefile("rb") as stream:
        arguments, folder, environment, patch = json.loads(stream.read(int.from_bytes(length, "big")))
    child = os.fork()
    if child == 0:
        connection.close()
        become(arguments, folder, environment, patch, files)
    for file in files:
        os.close(file)
    connection.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def become(arguments: list[str], folder: str, environment: dict[str, str], patch: str, files: list[int]) -> NoReturn:
    """This process is the command from now on; it ends with the exit code that `python -c` would have."""
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (files[0], 1), (files[1], 2)):
        os.dup2(source, target)
        os.close(source)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["colormnet", *arguments]
    sys.path.insert(0, "")
    code: object = 0
    try:
        exec(f"{patch}\nfrom colormnet_cli.cli import main\nmain()", {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code or 0
    except Exception:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    # As Python ends, without a second spent on taking apart all that was imported.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    exec(IMPORTS)
    serve(sys.argv[1])
