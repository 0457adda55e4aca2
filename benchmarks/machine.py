"""On what the figures were measured, and with which peers."""

import os
import platform
import re
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("pynamespaces", "pyroute2", "nsenter")
_PROGRAMS: Final = {
    "util-linux": ("unshare", "--version"),
    "iproute2": ("ip", "-V"),
    "strace": ("strace", "--version"),
}


def facts() -> dict[str, str]:
    """Tell what matters for the figures; ask before the load is one's own."""
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": _after("/proc/cpuinfo", "model name", "CPU part") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _gib(_after("/proc/meminfo", "MemTotal")),
        "load average before": f"{os.getloadavg()[0]:.2f}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: _version(package) for package in _PACKAGES},
        **{name: _told(command) for name, command in _PROGRAMS.items()},
        "date": time.strftime("%Y-%m-%d"),
    }


def _after(path: str, *names: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def _gib(kib: str) -> str:
    return f"{int(kib.split(maxsplit=1)[0]) / (1 << 20):.0f} GiB"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _told(command: tuple[str, ...]) -> str:
    """Return the version that a program tells."""
    if shutil.which(command[0]) is None:
        return "-"
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "-"
