"""
Tell cffi what the C shim is; ``setup.py`` names this file.

The declarations are the header that the C files include, so the two cannot differ.
"""

import os
import re
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from cffi import FFI

SHIM = Path("src", "pynamespaces", "_shim")
WARNINGS = ["-Wall", "-Wextra"]

MISSING = """\
pynamespaces: {what} is missing; install it with one of: {commands}"""


def require_tools() -> None:
    """Stop with one line where the compiler or Python's headers are missing."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if shutil.which(shlex.split(compiler)[0]) is None:
        what = f"a C compiler ({compiler})"
        packages = ("gcc libc6-dev", "gcc", "gcc musl-dev")
    elif not Path(sysconfig.get_path("include"), "Python.h").exists():
        what = "Python.h"
        packages = ("python3-dev", "python3-devel", "python3-dev")
    else:
        return
    commands = [
        f"{install} {package} ({system})"
        for install, package, system in zip(
            ("apt install", "dnf install", "apk add"),
            packages,
            ("Debian", "Fedora", "Alpine"),
            strict=True,
        )
    ]
    sys.exit(MISSING.format(what=what, commands="; ".join(commands)))


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
