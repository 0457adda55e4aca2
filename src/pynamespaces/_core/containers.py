"""
Containers: told by the cgroups of their processes.

What a cgroup is called is what somebody has called it: who may make cgroups, as users
may below a slice of their own, can call one ``docker-`` and any id. So this is what a
path says, and no proof of it.
"""

import re
from typing import Final, NamedTuple


class Container(NamedTuple):
    """A container, as the cgroup path of its processes tells it."""

    engine: str
    """Who made it: ``docker``, ``podman``, ``containerd``, ``cri-o``, ``runc``..."""

    id: str
    """Its id; what has no ids, as systemd-nspawn, has a name instead."""

    name: str | None = None
    """What people call it, where that is known without asking a daemon."""


class Told(NamedTuple):
    """A container, and the cgroup that tells it."""

    container: Container
    place: bytes
    """The path down to the cgroup that is called after the container."""


class Pattern(NamedTuple):
    """What the cgroups of an engine are called."""

    engine: str
    path: bytes
    """
    A regular expression for some components of a path, with one group: the id.

    Each repetition ends at the end of a component, so that what is searched is never
    more than a name for each slash.
    """


_ID: Final = rb"([0-9a-f]{64})"
_PAYLOAD: Final = rb"(?=/payload(?![^/]))"

PATTERNS: Final = (
    # By systemd, also of Kubernetes; and what runc makes of that where there is none.
    Pattern("docker", rb"docker-" + _ID + rb"\.scope"),
    Pattern("docker", rb"[^/]*:docker:" + _ID),
    # By cgroupfs.
    Pattern("docker", rb"docker/" + _ID),
    Pattern("docker", rb"ecs/(?:[^/]+/){1,2}" + _ID),
    Pattern("docker", rb"actions_job/" + _ID),
    # Its monitors are in libpod-conmon-ID.scope, and were in libpod-ID/conmon. With
    # payload- it has split the cgroup of a service.
    Pattern("podman", rb"libpod-(?:payload-)?" + _ID + rb"(?:\.scope)?"
            rb"(?!/conmon(?![^/]))"),
    # Its monitors are in crio-conmon-ID.scope.
    Pattern("cri-o", rb"crio-" + _ID + rb"(?:\.scope)?"),
    Pattern("cri-o", rb"[^/]*:crio:" + _ID),
    Pattern("containerd", rb"cri-containerd-" + _ID + rb"\.scope"),
    Pattern("containerd", rb"[^/]*:cri-containerd:" + _ID),
    Pattern("containerd", rb"nerdctl-" + _ID + rb"\.scope"),
    # Its namespaces. What `ctr` makes has any name, and is told by its state only.
    Pattern("containerd", rb"(?:k8s\.io|default)/" + _ID),
    # Of Kubernetes by cgroupfs. It might be docker as well, as of old.
    Pattern("containerd", rb"pod[0-9a-f_-]{32,36}/" + _ID),
    # Beside its payload there is the supervisor, who is not inside; as of systemd 233.
    Pattern("systemd-nspawn", rb"systemd-nspawn@([^/]+)\.service" + _PAYLOAD),
    Pattern("systemd-nspawn", rb"machine-([^/]+)\.scope" + _PAYLOAD),
    # Not known to machined.
    Pattern("systemd-nspawn", rb"machine\.slice/(?!machine-)([^/]+)\.scope" + _PAYLOAD),
    # Its monitors are in lxc.monitor.NAME.
    Pattern("lxc", rb"lxc/([^/]+)"),
    Pattern("lxc", rb"lxc\.payload[./]([^/]+)"),
)  # fmt: skip

# Ahead of each component, as those of one container may be the next one's parent.
_ANY: Final = re.compile(
    rb"/(?=(?:" + b"|".join(pattern.path for pattern in PATTERNS) + rb")(?![^/]))"
)

_ESCAPED: Final = re.compile(rb"\\x([0-9a-f]{2})")


def hierarchies_of(text: bytes) -> list[tuple[bytes, bytes]]:
    """
    Return the controllers of each hierarchy, and the path, of a ``cgroup`` file.

    The kernel allows no newline in the name of a cgroup, and escapes nothing.
    """
    found = []
    for line in text.split(b"\n"):
        # A hierarchy, its controllers, and where the process is in it.
        controllers, _, path = line.partition(b":")[2].partition(b":")
        if path:
            found.append((controllers, path.removesuffix(b" (deleted)")))
    return found


def paths_of(text: bytes) -> list[bytes]:
    """Return each path in a process's ``cgroup`` file once."""
    return list(dict.fromkeys(path for _, path in hierarchies_of(text)))


def told(text: bytes) -> Told | None:
    """
    Return the container that a process's ``cgroup`` file tells, and where.

    Of nested ones that is the innermost, in the hierarchy that tells of most.
    """
    best, most = None, 0
    for path in paths_of(text):
        found = list(_ANY.finditer(path))
        if len(found) > most:
            best, most = (path, max(found, key=_end)), len(found)
    if best is None:
        return None
    path, match = best
    end = path.find(b"/", _end(match))
    place = path if end < 0 else path[:end]
    return Told(_container(match), place)


def _end(match: re.Match[bytes]) -> int:
    return match.end(match.lastindex or 0)


def _container(match: re.Match[bytes]) -> Container:
    number = match.lastindex or 0
    engine, id = PATTERNS[number - 1].engine, match[number]
    if engine == "systemd-nspawn":
        id = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), id)
    return Container(engine, id.decode("utf-8", "surrogateescape"))


def of_cgroup(text: bytes) -> Container | None:
    """
    Return the container that the ``cgroup`` file of a process tells.

    Fast, and linear in the text. It is what a path says, and no proof.
    """
    found = told(text)
    return None if found is None else found.container
