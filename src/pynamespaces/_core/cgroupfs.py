"""
Whose a cgroup is, where the file systems of cgroups are mounted.

Who may make cgroups calls them anything. The kernel keeps who has made one, as the
owner of its directory, so that tells whether to believe its name.
"""

import os

from .. import _proc
from . import containers, mountinfo
from .mountinfo import Mount


class Owners:
    """The owners of cgroups, by the mounts that the calling thread had at first."""

    def __init__(self) -> None:
        mounts = mountinfo.parse(_proc.mountinfo() or b"")
        self._mounts = [each for each in mounts if each.type in ("cgroup", "cgroup2")]
        self._found: dict[tuple[bytes, bytes], int | None] = {}

    def of(self, text: bytes, place: bytes) -> frozenset[int]:
        """
        Return who owns a cgroup, in each hierarchy that has it; none if none is seen.

        Args:
            text: The ``cgroup`` file of a process in there.

            place: A path in that file, or the beginning of one.
        """
        owners = (
            self._owner(controllers, place)
            for controllers, path in containers.hierarchies_of(text)
            if path == place or path.startswith(place + b"/")
        )
        return frozenset(owner for owner in owners if owner is not None)

    def _owner(self, controllers: bytes, place: bytes) -> int | None:
        key = controllers, place
        if key not in self._found:
            words = os.fsdecode(controllers)
            wanted = {*words.split(",")} if words else set()
            mounts = (each for each in self._mounts if _is_of(each, wanted))
            owners = (_owner_on(mount, os.fsdecode(place)) for mount in mounts)
            self._found[key] = next((each for each in owners if each is not None), None)
        return self._found[key]


def _is_of(mount: Mount, controllers: set[str]) -> bool:
    """Return whether a mount is of a hierarchy; version 2 has no controllers here."""
    if not controllers:
        return mount.type == "cgroup2"
    return mount.type == "cgroup" and controllers <= {*mount.super_options}


def _owner_on(mount: Mount, place: str) -> int | None:
    # Both are told from the caller's cgroup namespace, with ".." for what is above it:
    # of that between the mount's root and a path the names may be missing.
    root = mount.root.rstrip("/")
    if place != root and not place.startswith(root + "/"):
        return None
    below = place[len(root) + 1 :]
    if ".." in below.split("/"):
        return None
    try:
        fd = os.open(mount.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Another may be mounted over it.
        if _proc.mount_id(fd) != mount.id:
            return None
        return os.stat(below or ".", dir_fd=fd, follow_symlinks=False).st_uid
    except OSError:
        return None
    finally:
        os.close(fd)
