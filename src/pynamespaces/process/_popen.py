"""`Popen`: a program in namespaces, and otherwise the standard library's."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, AnyStr, Final, Literal, Protocol, cast, overload

from typing_extensions import Unpack

from .._set import NamespaceSet
from .._types import override
from . import _users
from ._hook import Call, Hooked
from ._place import Place

if TYPE_CHECKING:
    from ._options import Args, Options

_OURS: Final = frozenset(Place.__init__.__kwdefaults__ or ())


class Popen(Hooked[AnyStr]):
    """
    Start a program in existing namespaces, fresh ones, or both.

    It is a `subprocess.Popen`, with all of its arguments, methods and attributes, and
    what they look up is looked up inside: *cwd*, the program, user and group ids. The
    calling thread stays where it is. What starting costs does not grow with this
    process, but where the child must have memory of its own: to join a pid, user or
    time namespace, or to change ids.

    Whatever of this cannot be had is an error before the program runs; it never runs
    with less. See :manpage:`clone(2)`, :manpage:`setns(2)`, :manpage:`execve(2)`.

    Args:
        args: As of `subprocess.Popen`, and all that follow there. *preexec_fn* cannot
            be used with what follows here.

        join: A `Namespace`, a `NamespaceSet` or several Namespaces to start in; those
            that the calling thread is in already change nothing. In a user namespace
            that maps 0 the program is 0:0, unless *user* and *group* say otherwise. In
            a mount namespace it starts in the root directory, or *cwd*.

        new: One type or several of which it gets fresh namespaces. A user namespace
            gives the power to make the others. A mount namespace passes no mounts on.

        uid_map: Of a fresh user namespace, as in `Namespace.new`; who starts the
            program is root there if not given. Who has no id in the map is 0:0.

        gid_map: As *uid_map*, for gids.

        time_offsets: Of a fresh time namespace: how far its clocks ``"monotonic"`` and
            ``"boottime"`` are ahead of the machine's, in seconds.

        hostname: Of a fresh uts namespace.

        loopback: Of a fresh net namespace: bring ``lo`` up.

        mount_proc: Where pid and mnt are fresh, mount the ``/proc`` of that pid
            namespace.

        init: Of a fresh pid namespace: run the program under an init, which reaps
            orphans, forwards signals, ends as the program does, and with it. Without
            one the program is the init itself, which the kernel protects from signals
            that it does not handle. The default is to have one.

        die_with_parent: Kill the program (with its init, all in the pid namespace) when
            this process ends, however it does. Which thread started it is all the same.

        cgroup: A directory of cgroup v2, as a path or a descriptor: it starts in there.

        caps: Which capabilities it has, whatever its user: ``"keep"``, all that its
            starter has there; ``"drop"``, none; or only those of a list of names. With
            the last two, it and its children can never have others. See
            :manpage:`capabilities(7)`.

        no_new_privs: Let it gain nothing by set-user-ID programs and the like; see
            :manpage:`PR_SET_NO_NEW_PRIVS(2const)`.

    Raises:
        SpawnError: The program has not run, and nothing of it is left. Also the builtin
            of its errno: where the program is missing, a ``FileNotFoundError``.

        ValueError: Arguments contradict each other; nothing was done.
    """

    _lent: _Lent | None = None

    _filter: bytes | None = None
    """Of its system calls, which who starts it answers."""

    _is_brief = False
    """Whether it ends with this object at the latest."""

    @overload
    def __init__(
        self: Popen[str],
        args: Args,
        *,
        text: Literal[True],
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: Args,
        *,
        encoding: str,
        text: bool | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: Args,
        *,
        errors: str,
        text: bool | None = None,
        encoding: str | None = None,
        universal_newlines: bool | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: Args,
        *,
        universal_newlines: Literal[True],
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[bytes],
        args: Args,
        *,
        text: Literal[False] | None = None,
        encoding: None = None,
        errors: None = None,
        universal_newlines: Literal[False] | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    def __init__(self, args: Args, *more: object, **options: object) -> None:
        # Positional arguments are the standard library's, which has more of them.
        ours = {name: options.pop(name) for name in _OURS & options.keys()}
        place = cast("_NewPlace", Place)(**ours)
        start = cast("Call", super().__init__)
        if not place.is_asked_for and self._filter is None:
            start(args, *more, **options)
            return
        if options.get("preexec_fn") is not None:
            raise ValueError(
                "preexec_fn runs Python in a child that may not: use cwd, user, group, "
                "extra_groups, umask, start_new_session, process_group, or call()"
            )
        try:
            with ExitStack() as self._stack:
                _translate_users(place, options)
                self._where = place.hold(self._stack)._replace(filter=self._filter)
                start(args, *more, **options)
            if self._child is not None and not self._is_brief:
                self._child.adopt()
        except BaseException:
            # A signal handler may have raised just after it had begun.
            if self._child is not None:
                self._child.abandon()
                self._child_created = False
            raise

    @property
    def pidfd(self) -> int:
        """
        A pidfd of the process `pid`; it belongs to this object, which closes it.

        It is readable once that process has ended. See :manpage:`pidfd_open(2)`.
        """
        if self._child is not None:
            return self._child.pidfd
        lent = self._lent
        if lent is None:
            # Of threads that ask at once, all get the same: the other is closed.
            lent = cast("_Lent", vars(self).setdefault("_lent", _Lent(self.pid)))
        return lent.fd

    @property
    def namespaces(self) -> NamespaceSet:
        """
        A new set of the namespaces that the program is in, not its init; the caller's.

        Raises:
            NoSuchProcessError: It has ended.
        """
        fd = self.pidfd if self._child is None else self._child.program_pidfd
        return NamespaceSet.from_pidfd(fd)

    @override
    def send_signal(self, sig: int) -> None:
        """
        Send a signal to the program, if it has not ended.

        Below an init, that is the program itself; but SIGKILL ends all in its pid
        namespace.
        """
        if self._child is None or not self._child.has_init or sig == signal.SIGKILL:
            super().send_signal(sig)
        elif self.poll() is None:
            try:
                signal.pidfd_send_signal(self._child.program_pidfd, sig)
            except ProcessLookupError:
                # It has ended, and its init is about to.
                return


class _NewPlace(Protocol):
    def __call__(self, **ours: object) -> Place: ...


class _Lent:
    """A pidfd of a child that the standard library has started."""

    __slots__ = ("fd",)

    def __init__(self, pid: int) -> None:
        self.fd = -1
        self.fd = os.pidfd_open(pid)

    def __del__(self) -> None:
        if self.fd != -1:
            os.close(self.fd)


_USERS: Final = ("user", "group", "extra_groups")


def _translate_users(place: Place, options: dict[str, object]) -> None:
    """Put ids in place of names, by the files of the mount namespace that is joined."""
    if any(options.get(name) is not None for name in _USERS):
        mnt = place.joined_mnt()
        if mnt is not None:
            given = cast("_users.Names", tuple(options.get(name) for name in _USERS))
            found = _users.find_ids(mnt, *given)
            options.update(zip(_USERS, found, strict=True))
