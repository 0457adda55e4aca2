"""
A small machine, for the picture of a tree: this is its init.

It runs in fresh namespaces of all types, so that there is nothing but what it starts.
"""

import fcntl
import os
import struct
import subprocess
import sys
import termios
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from pynamespaces import NamespaceSet, NetNamespace, Popen, TypeLike

_WAITING: Final = "#!/bin/sh\n{before}echo ready\nread -r line\n"


def start(
    name: str,
    *,
    new: tuple[TypeLike, ...] = (),
    join: NamespaceSet | None = None,
    child: tuple[str, ...] = (),
) -> "Popen[str]":
    """Start a program of this name, which waits; so does its child, if it has one."""
    # What a shell starts in the background would have nothing to read.
    background = f"exec 3<&0\n{' '.join(child)} <&3 &\n" if child else ""
    for path, before in [(f"/run/{name}", background), *((x, "") for x in child[-1:])]:
        Path(path).write_text(_WAITING.format(before=before))
        Path(path).chmod(0o755)
    pipe = subprocess.PIPE
    command = [f"/run/{name}"]
    made = Popen(command, new=new, join=join, stdin=pipe, stdout=pipe, text=True)
    assert made.stdout is not None
    for _ in (name, *child[-1:]):
        assert made.stdout.readline() == "ready\n"
    return made


def shown(words: list[str], columns: int) -> str:
    """Run our command on a terminal; return what that shows, with its colours."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    command = [sys.executable, "-m", "pynamespaces", *words]
    chosen = {"TERM": "xterm", "COLORTERM": "", "PYTHONUTF8": "1"}
    dropped = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    kept = {name: text for name, text in os.environ.items() if name not in dropped}
    with open(slave, "wb", buffering=0) as file:
        done = subprocess.Popen(command, stdout=file, env={**kept, **chosen})
    text = b""
    with open(master, "rb", buffering=0) as screen:
        try:
            while part := screen.read(65536):
                text += part
        except OSError:  # EIO: the command has ended.
            pass
    assert done.wait() == 0, text
    return text.decode().replace("\r", "")


def main(columns: int) -> None:
    """Start the programs, and print what each of the trees looks like."""
    Path("/proc/self/comm").write_text("init")
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    NetNamespace.create("blue").close()
    with ExitStack() as running:
        web = start("web", new=("net", "uts", "ipc"), child=("/run/worker",))
        running.enter_context(web)
        running.enter_context(start("backup", join=web.namespaces))
        isolated: tuple[TypeLike, ...] = ("user", "pid", "mnt", "net")
        child = ("unshare", "--net", "--uts", "/run/test")
        running.enter_context(start("build", new=isolated, child=child))
        for words in (["tree"], ["tree", "user"]):
            print(shown(words, columns), end="\f")
        sys.stdout.flush()
        # The kernel ends what is left, as it does with every init.
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
