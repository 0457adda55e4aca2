"""What a mount is, and how ``mountinfo`` writes it."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from .. import _proc


class Mount(NamedTuple):
    """
    One mount, the same whichever way the kernel was asked.

    See :manpage:`proc_pid_mountinfo(5)`. Bytes that are no UTF-8 are as in file names:
    ``os.fsencode`` gives them back.
    """

    id: int
    """Its id, which the kernel gives to another mount when this one is gone."""

    parent_id: int
    """The id of the mount that it lies on, which may be outside the list."""

    unique_id: int | None
    """Its id, never given twice; ``None`` where only ``mountinfo`` could be read."""

    device: tuple[int, int]
    """Major and minor number, as in ``st_dev`` of its files."""

    root: str
    """The directory of the file system that is its root."""

    path: str
    """Where it is mounted, from the root of the namespace."""

    type: str
    """Its type of file system, with the subtype, as ``ext4`` or ``fuse.sshfs``."""

    source: str | None
    """What was mounted, as the file system has it; often a mere word."""

    options: tuple[str, ...]
    """Its own options, as ``rw`` or ``ro``, ``nosuid``, ``relatime``."""

    super_options: tuple[str, ...]
    """The options of its file system, which all mounts of that share."""

    shared: int | None
    """Its peer group, which mounts below it spread to."""

    master: int | None
    """The peer group that mounts spread from to here."""

    unbindable: bool
    """Whether it refuses to be bound elsewhere."""


def unescape(text: bytes) -> str:
    r"""Decode a text in which the kernel has written bytes as ``\040``."""
    first, *others = text.split(b"\\")
    parts = [first]
    for part in others:
        digits = part[:3]
        if len(digits) == 3 and digits[0] in b"0123" and not digits.strip(b"01234567"):
            parts += [bytes([int(digits, 8)]), part[3:]]
        else:
            parts += [b"\\", part]
    return os.fsdecode(b"".join(parts))


def unescape_options(texts: Iterable[bytes]) -> tuple[str, ...]:
    """Decode options; a comma within one is escaped."""
    return tuple(unescape(text) for text in texts)


def parse(mountinfo: bytes) -> list[Mount]:
    """Read the lines of a ``mountinfo``."""
    return [_parse_line(line) for line in mountinfo.split(b"\n") if line]


def namespace_mounts() -> list[tuple[str, str]]:
    """Return each namespace that is mounted here, ``net:[4026531840]``, and where."""
    mounts = parse(_proc.mountinfo() or b"")
    return [(mount.root, mount.path) for mount in mounts if mount.type == "nsfs"]


def _parse_line(line: bytes) -> Mount:
    # A field can be empty: what was mounted may be "".
    id, parent, device, root, path, options, *rest = line.split(b" ")
    end = rest.index(b"-")
    type, source, *supers = rest[end + 1 :]
    tags = {name: group for name, _, group in (t.partition(b":") for t in rest[:end])}
    major, _, minor = device.partition(b":")
    return Mount(
        id=int(id),
        parent_id=int(parent),
        unique_id=None,
        device=(int(major), int(minor)),
        root=unescape(root),
        path=unescape(path),
        type=unescape(type),
        source=unescape(source) or None,
        options=unescape_options(options.split(b",")),
        super_options=unescape_options(b" ".join(supers).split(b",")),
        shared=_group(tags, b"shared"),
        master=_group(tags, b"master"),
        unbindable=b"unbindable" in tags,
    )


def _group(tags: dict[bytes, bytes], name: bytes) -> int | None:
    return int(tags[name]) if name in tags else None
