"""
Run a command on another kernel: in a virtual machine, on a copy of a root.

``python tests/booted.py KERNEL ROOT -- COMMAND...`` boots a kernel's image, such as
``ROOT/boot/vmlinuz-6.1.0-50-amd64``. The root is a folder with a system in which the
kernel's package and a static busybox are installed, and whatever the command needs.
What the command writes there is forgotten.
"""

import argparse
import lzma
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_WANTED: Final = ("virtio_pci", "virtio_mmio", "virtio_blk", "crc32c_generic", "ext4")
"""What a kernel needs to find its root; Debian's have them as modules."""

_ENDED: Final = re.compile(rb"^booted: ended with (\d+)\r?$")

# Runs from the memory that the kernel starts with, and gives way to the root.
_FIRST: Final = """\
#!/bin/busybox sh
for each in /modules/*; do /bin/busybox insmod $each; done
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox cp /then /root/booted
exec /bin/busybox switch_root /root /booted
"""

# Mounts are passed on, as systemd has it.
_SECOND: Final = """\
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount --make-rshared /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
ip link set lo up
( {command} ) </dev/null
echo "booted: ended with $?"
echo o >/proc/sysrq-trigger
while :; do wait; done
"""


class Given(argparse.Namespace):
    """What the command line says."""

    kernel: Path
    root: Path
    command: list[str]
    accel: str


class Machine(NamedTuple):
    """How to emulate a machine for an image of a kernel."""

    command: tuple[str, ...]
    console: str


_X86: Final = Machine(
    ("qemu-system-x86_64", "-machine", "q35", "-cpu", "max,la57=off"), "ttyS0"
)
_ARM: Final = Machine(
    ("qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"), "ttyAMA0"
)


def machine_of(kernel: Path) -> Machine:
    """Return the machine that a kernel's image is for."""
    return _ARM if kernel.read_bytes()[56:60] == b"ARM\x64" else _X86


def modules_of(root: Path, kernel: Path) -> Iterator[bytes]:
    """Yield the modules that the root's disk takes, each after those it needs."""
    version = kernel.name.partition("-")[2] or kernel.parent.name
    folder = root / "lib/modules" / version
    needs = dict(
        line.split(":", 1) for line in (folder / "modules.dep").read_text().splitlines()
    )
    loaded = set[str]()
    for wanted in _WANTED:
        for path in [path for path in needs if wanted == Path(path).name.split(".")[0]]:
            for each in [*reversed(needs[path].split()), path]:
                if each not in loaded:
                    loaded.add(each)
                    data = (folder / each).read_bytes()
                    yield lzma.decompress(data) if each.endswith(".xz") else data


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Return a cpio archive, as a kernel unpacks it, of modes and contents."""
    parts = []
    for inode, (name, (mode, data)) in enumerate(files.items()):
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        header = "070701" + "".join(f"{field:08x}" for field in fields) + name + "\0"
        parts += [_padded(header.encode()), _padded(data)]
    return b"".join(parts)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def first_files(given: Given) -> bytes:
    """Return what the kernel is to unpack: busybox, modules, and a first program."""
    folder = 0o040755, b""
    files: dict[str, tuple[int, bytes]]
    files = {"bin": folder, "dev": folder, "modules": folder, "root": folder}
    files["bin/busybox"] = 0o100755, (given.root / "bin/busybox").read_bytes()
    for number, module in enumerate(modules_of(given.root, given.kernel)):
        files[f"modules/{number:02}"] = 0o100644, module
    files["init"] = 0o100755, _FIRST.encode()
    script = _SECOND.format(command=shlex.join(given.command))
    files["then"] = 0o100755, script.encode()
    files["TRAILER!!!"] = 0, b""
    return archive(files)


def make_disk(root: Path, folder: Path) -> Path:
    """Copy the root to a disk's image."""
    disk = folder / "disk"
    with open(disk, "wb") as file:
        file.truncate(8 << 30)
    making = ("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk)
    subprocess.run(making, check=True)
    return disk


def boot(given: Given, folder: Path) -> int:
    """Boot, show what the machine writes, and return how the command ended there."""
    machine = machine_of(given.kernel)
    files = folder / "first"
    files.write_bytes(first_files(given))
    disk = make_disk(given.root, folder)
    running = [
        *(*machine.command, "-accel", given.accel, "-m", "3G", "-display", "none"),
        *("-nodefaults", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(given.kernel), "-initrd", str(files)),
        *("-append", f"console={machine.console} quiet mitigations=off panic=-1"),
        *("-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"),
    ]
    status = 1
    with subprocess.Popen(
        running, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            if ended := _ENDED.match(line):
                status = int(ended[1])
    return status


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accel", default="tcg", help="as of qemu: kvm where it works")
    parser.add_argument("kernel", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(namespace=Given())
    # A disk's image may be too large for what is memory.
    place = os.environ.get("TMPDIR", "/var/tmp")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        return boot(given, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
