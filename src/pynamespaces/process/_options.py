"""The types of what a program may be started with; for type checkers only."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import IO, TypeAlias, TypedDict

from _typeshed import StrOrBytesPath

from .._core.idmap import IdMap
from .._members import Join
from ..lowlevel._arguments import Descriptor
from ._place import Caps, New

Args: TypeAlias = StrOrBytesPath | Sequence[StrOrBytesPath]
File: TypeAlias = int | IO[str] | IO[bytes] | None


class Places(TypedDict, total=False):
    """Of this package."""

    join: Join | None
    new: New
    uid_map: IdMap | None
    gid_map: IdMap | None
    time_offsets: Mapping[str, float] | None
    hostname: str | None
    loopback: bool
    mount_proc: bool
    init: bool | None
    die_with_parent: bool
    cgroup: StrOrBytesPath | Descriptor | None
    caps: Caps | None
    no_new_privs: bool


class Surroundings(Places, total=False):
    """Of `subprocess`, but for the streams and their text."""

    executable: StrOrBytesPath | None
    preexec_fn: Callable[[], object] | None
    close_fds: bool
    cwd: StrOrBytesPath | None
    env: Mapping[bytes, StrOrBytesPath] | Mapping[str, StrOrBytesPath] | None
    restore_signals: bool
    start_new_session: bool
    pass_fds: Collection[int]
    user: str | int | None
    group: str | int | None
    extra_groups: Iterable[str | int] | None
    umask: int
    process_group: int | None


class Options(Surroundings, total=False):
    """Of `Popen`, but for the text of the streams."""

    bufsize: int
    stdin: File
    stdout: File
    stderr: File
    shell: bool
    pipesize: int


class RunOptions(Options, total=False):
    """Of `run`, but for the text of the streams."""

    capture_output: bool
    check: bool
    timeout: float | None


class OutputOptions(Surroundings, total=False):
    """Of `check_output`, but for the text of the streams."""

    bufsize: int
    stdin: File
    stderr: File
    shell: bool
    pipesize: int
    timeout: float | None
