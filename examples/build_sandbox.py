"""
A build sandbox: a command runs with what it is given and nothing else, or not at all.

    python build_sandbox.py --source . --output dist -- make -C /source O=/output

It has no network, sees no other process, has no power and can gain none. Its files are
``/source``, ``/output`` where it begins, a ``/tmp`` of its own, ``/usr`` and ``/etc``;
``--read`` adds others. Of these it can write to ``/output`` and ``/tmp`` only. What it
leaves running ends with it.

The exit status is the command's. 125: not all of this could be had, so nothing has run.
Needs user namespaces and mount(8), but no root.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory

from pynamespaces import IdMap, MountNamespace, NamespaceSet, Popen, TypeLike, run

NEW: tuple[TypeLike, ...] = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
SYSTEM = {"/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64"}
WRITABLE = ("/output", "/tmp")
ENV = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"}

# Each on a line of its own: what fails on the left of && does not end a shell.
MOVE_IN = """
root=$1 source=$2 output=$3; shift 3
mount -t tmpfs none "$root"
cd "$root"
mkdir source output tmp dev proc
for path; do
    if [ -L "$path" ]; then cp -P "$path" ".$path"; continue; fi
    if [ -d "$path" ]; then mkdir -p ".$path"; mount -o rbind "$path" ".$path"; fi
done
for file in /dev/null /dev/zero /dev/full /dev/random /dev/urandom; do
    : > ".$file"
    mount -o bind "$file" ".$file"
done
mount -o rbind /proc proc
mount -o rbind "$source" source
mount -o rbind "$output" output
mount -t tmpfs -o nosuid,nodev none tmp
pivot_root . .
umount -l .
"""


def prepare(box: NamespaceSet, *command: str) -> None:
    """Run what has all power over the sandbox and none outside; it must succeed."""
    done = run(command, join=box, caps="keep", env=ENV, stdin=DEVNULL, stderr=PIPE)
    if done.returncode != 0:
        raise OSError(done.stderr.decode(errors="replace").partition("\n")[0])


def furnish(box: NamespaceSet, *paths: str) -> None:
    """Give the sandbox its files, and no way to write but where it may."""
    mnt = box["mnt"]
    assert isinstance(mnt, MountNamespace)
    prepare(box, "sh", "-ec", MOVE_IN, "sh", *paths)
    for mount in mnt.mounts():
        if mount.path not in WRITABLE:
            kept = [option for option in mount.options if option != "rw"]
            options = ",".join(["remount", "bind", "ro", *kept])
            prepare(box, "mount", "-o", options, mount.path)
    # That was asked for. This is what came of it.
    for mount in mnt.mounts():
        if mount.path not in WRITABLE and "ro" not in mount.options:
            raise OSError(f"{mount.path} can be written to")


def main() -> int:
    """Make a sandbox, run the command in it, and return its exit status."""
    parser = argparse.ArgumentParser(description="Run a command in a sandbox.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--read", type=Path, action="append", default=[])
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    folders = [str(path.resolve()) for path in (asked.source, asked.output)]
    # Each once, and those in others after them.
    read = sorted(SYSTEM.union(str(path.resolve()) for path in asked.read))
    me = IdMap.current()
    # The init keeps its power, so who has none cannot look outside through it. It ends
    # with its input, at the end of the block, and all that is in there with it.
    init = Popen(
        ["cat"], new=NEW, uid_map=me, gid_map=me, caps="keep", init=False, stdin=PIPE
    )
    with init, closing(init.namespaces) as box, TemporaryDirectory() as root:
        furnish(box, root, *folders, *read)
        status = run(
            asked.command,
            join=box,
            caps="drop",
            no_new_privs=True,
            start_new_session=True,
            cwd="/output",
            env=ENV,
            stdin=DEVNULL,
        ).returncode
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(f"build_sandbox: nothing has run: {error}", file=sys.stderr)
        sys.exit(125)
