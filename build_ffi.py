"""
Tell cffi what the C shim is; ``setup.py`` names this file.

The declarations are the header that the C files include, so the two cannot differ.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

from cffi import FFI

SHIM = Path("src", "pynamespaces", "_shim")
WARNINGS = ["-Wall", "-Wextra"]

MISSING = """\
pynamespaces: {what} is missing; install it with one of: {commands}"""


# What is needed, how to see that it is there, and its packages by system.
SYSTEMS = (("apt install", "Debian"), ("dnf install", "Fedora"), ("apk add", "Alpine"))
COMPILER = ("gcc libc6-dev", "gcc", "gcc musl-dev linux-headers")
PYTHON = ("python3-dev", "python3-devel", "python3-dev")
HEADERS = {
    "stdio.h": ("libc6-dev", "glibc-devel", "musl-dev"),
    "linux/nsfs.h": ("linux-libc-dev", "kernel-headers", "linux-headers"),
}


def stop(what: str, packages: tuple[str, ...]) -> NoReturn:
    """End with one line that says what to install."""
    commands = [
        f"{install} {package} ({system})"
        for (install, system), package in zip(SYSTEMS, packages, strict=True)
    ]
    sys.exit(MISSING.format(what=what, commands="; ".join(commands)))


def require_tools() -> None:
    """Stop where the compiler is missing, or headers of Python, libc or Linux."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    command = shlex.split(compiler)
    if shutil.which(command[0]) is None:
        stop(f"a C compiler ({compiler})", COMPILER)
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        stop("Python.h", PYTHON)
    flags = shlex.split(os.environ.get("CPPFLAGS", ""))
    flags += shlex.split(os.environ.get("CFLAGS", ""))
    for header, packages in HEADERS.items():
        text = f"#include <{header}>\n".encode()
        looking = [*command, *flags, "-E", "-x", "c", "-"]
        found = subprocess.run(looking, input=text, capture_output=True, check=False)
        if found.returncode != 0:
            stop(header, packages)


def declarations() -> str:
    """Return what cffi reads: the header, and the constants to ask the compiler."""
    texts = [(SHIM / name).read_text() for name in ("api.h", "constants.cdef")]
    # cffi 1.x takes "#define X ..." but no comment on the lines of an enum.
    return re.sub(r"/\*.*?\*/", "", "\n".join(texts), flags=re.DOTALL)


require_tools()

ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "pynamespaces._ffi",
    '#include "compat.h"\n',
    sources=sorted(str(path) for path in SHIM.glob("*.c")),
    depends=sorted(str(path) for path in SHIM.glob("*.h")),
    include_dirs=[str(SHIM)],
    extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden", *WARNINGS],
    # A helper task shares memory with its process, and must not look up symbols.
    # And the module is a program as well: resident.c.
    extra_link_args=["-Wl,-z,now", "-Wl,-e,pyns_resident_start"],
    libraries=["dl", "pthread"],
    # Without a GIL there is no stable ABI before CPython 3.15.
    py_limited_api=not sysconfig.get_config_var("Py_GIL_DISABLED"),
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
