"""
Run a command on a machine that looks like another: ``under.py MACHINE COMMAND ...``.

Without a command it is a shell; without a machine, all are listed. What is changed is
this process's own: its filter, its capabilities, its mounts, its user namespace.
"""

import os
import sys
from typing import NoReturn

from machines import MACHINES


def main(arguments: list[str]) -> NoReturn:
    """Be the command, on the machine."""
    if not arguments:
        print("\n".join(MACHINES))
        sys.exit()
    name, *command = arguments
    if name not in MACHINES:
        sys.exit(f"there is no machine {name!r}: they are {', '.join(MACHINES)}")
    MACHINES[name].become()
    # A fresh mount namespace has this directory, by another mount.
    os.chdir(os.getcwd())
    os.execvp(command[0] if command else "sh", command or ["sh"])


if __name__ == "__main__":
    main(sys.argv[1:])
