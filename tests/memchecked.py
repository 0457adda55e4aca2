"""
What the session valgrind runs: of the shim's work, all that starts no helper task.

Valgrind has no general clone(2), and neither openat2(2) nor ``pidfd_open(2)``: helper
tasks and programs of ours cannot run in it, and the ways around the others are taken.
"""

import subprocess
import threading

from pynamespaces import Namespace, NamespaceSet, NamespaceType, scan, unshared

ROUNDS = 3
NAMES = ("ipc", "net", "uts")
ELSEWHERE = ["unshare", "--uts", "--ipc", "--net", "sh", "-c", "echo ready; cat"]


def look() -> None:
    """Find all that there is, with everything that is asked for in an inventory."""
    for _ in range(ROUNDS):
        assert scan().namespaces()
        assert scan(["net"], threads=False, descriptors=False, mounts=False).processes()


def go_about(pid: int) -> None:
    """Enter and leave, one and several, to different depths; a thread's records go."""
    folder = f"/proc/{pid}/ns"
    there = NamespaceSet(Namespace.from_path(f"{folder}/{name}") for name in NAMES)
    with there:
        with Namespace.current("net"), unshared("uts"), there:
            assert there[NamespaceType.NET].is_current()
    with Namespace.from_path(f"{folder}/uts", "uts") as uts:
        assert uts.owner().id == Namespace.current("user").id


def main() -> None:
    """Do all of it, also in threads."""
    pipe = subprocess.PIPE
    with subprocess.Popen(ELSEWHERE, stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        threads = [threading.Thread(target=go_about, args=[child.pid]) for _ in "abc"]
        for thread in threads:
            thread.start()
        go_about(child.pid)
        for thread in threads:
            thread.join()
        look()
        child.communicate()


if __name__ == "__main__":
    main()
