"""The shim for other machines and C libraries: compiled, and run where that works."""

import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nox

from .machine import REQUIRED
from .source import SHIM

PROGRAM: Final = Path(__file__).with_name("crossed.c")

FLAGS: Final = (
    *("-std=gnu11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion"),
    *("-Werror", f"-I{SHIM}", "-static"),
)


@dataclass(frozen=True)
class Target:
    """A compiler, and how what it makes is run here."""

    compiler: str
    machines: tuple[str, ...]
    """Those that run it as it is."""

    emulator: str = ""
    flags: tuple[str, ...] = ()


TARGETS: Final = (
    Target("aarch64-linux-gnu-gcc", ("aarch64",), "qemu-aarch64-static"),
    # Its request of an ioctl is an int, and so are the signs of its macros.
    Target("musl-gcc", (platform.machine(),), flags=("-Wno-sign-conversion",)),
    Target("i686-linux-gnu-gcc", ("x86_64", "i686")),
)


@nox.session(python=False)
def cross(session: nox.Session) -> None:
    """Compile the C files for aarch64, musl and 32 bits, and run them."""
    with tempfile.TemporaryDirectory(prefix="pynamespaces-") as name:
        for target in TARGETS:
            if shutil.which(target.compiler) is not None:
                _try_target(session, target, Path(name))
            elif target.compiler in REQUIRED:
                session.error(f"required, but missing: {target.compiler}")
            else:
                session.warn(f"not tried: there is no {target.compiler}")


def _try_target(session: nox.Session, target: Target, folder: Path) -> None:
    program = str(folder / target.compiler)
    flags = [*FLAGS, *target.flags]
    if target.compiler.startswith("musl"):
        flags += ["-isystem", str(_kernel_headers(folder))]
    sources = [str(PROGRAM), *sorted(map(str, SHIM.glob("*.c")))]
    session.run(
        target.compiler, *flags, *sources, "-lpthread", "-o", program, external=True
    )
    if platform.machine() in target.machines:
        session.run(program, external=True)
    elif shutil.which(target.emulator) is not None:
        # It knows no ioctl of namespaces, in version 7.2.
        session.run(target.emulator, program, "short", external=True)
    elif target.emulator in REQUIRED:
        session.error(f"required, but missing: {target.emulator}")


def _kernel_headers(folder: Path) -> Path:
    """Return a folder with Linux's headers alone: beside them are those of glibc."""
    headers = folder / "headers"
    headers.mkdir()
    found = Path("/usr/include")
    own = found / f"{platform.machine()}-linux-gnu"
    for name in ("linux", "asm", "asm-generic"):
        place = own if (own / name).exists() else found
        (headers / name).symlink_to(place / name)
    return headers
