"""`supervise`: run a program, and answer for its namespace calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._types import parse_types
from ._notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Unpack

    from .._types import TypeLike
    from ..process._options import Args, Options
    from ._filter import Clone3
    from .events import TraceEvent


def supervise(
    command: Args,
    *,
    on_event: Callable[[TraceEvent], object] | None = None,
    deny: TypeLike | Iterable[TypeLike] = (),
    clone3: Clone3 | None = None,
    **options: Unpack[Options],
) -> int:
    """
    Run a program, watch its namespace calls, and refuse some of them.

    No privilege is needed. Its calls of setns, unshare, clone and clone3, and those of
    its children, wait until the calling thread has looked at them; other calls cost
    nothing but the filter. Where the caller has no CAP_SYS_ADMIN, the program can gain
    no privileges: set-user-ID programs, such as newuidmap and sudo, have no effect. See
    :manpage:`seccomp_unotify(2)`.

    *deny* is a guard rail against what a program would do by mistake, and no sandbox.
    It is sound for what is passed by value: the flags of unshare and clone, and a type
    given to setns. What a descriptor leads to that setns is given with no type, and the
    flags of clone3, another thread can change after they were looked at.

    When the program has ended, so has supervision: the calls that it is about fail by
    ENOSYS in what it has left running. Supervision does not nest.

    Args:
        command: The program and its arguments, as of `Popen`.

        on_event: Called with each event, in the order of the calls and in the calling
            thread. Its call has been answered then, but the next are not before it
            returns. What it raises ends the program, and is raised from here.

        deny: Types of namespaces that it may neither make nor enter: those calls fail
            by EPERM, and ``denied`` of their events is true.

        clone3: ``"notify"``, clone3 is watched as the others are; or ``"enosys"``, it
            seems not to exist, and the C library uses clone. The default is to watch it
            if nothing is denied.

        options: As of `Popen`, and none that must be read or written meanwhile.

    Returns:
        Its exit status; the negative number of the signal that has ended it.

    Raises:
        SpawnError: It could not be started, or not be supervised: then `step` is
            ``"supervise"``. EBUSY: this process is supervised already.

        UnsupportedError: The calls of this machine are not known.
    """
    denied = parse_types((deny,) if isinstance(deny, str) else tuple(deny))
    if clone3 not in (None, "notify", "enosys"):
        raise ValueError(f"clone3 is 'notify' or 'enosys', not {clone3!r}")
    if clone3 is None:
        clone3 = "enosys" if denied else "notify"
    notifier = Notifier(
        command,
        deny=denied,
        clone3=clone3,
        watch=on_event is not None,
        options=dict(options),
    )
    with notifier:
        while not notifier.ended:
            for event in notifier.take():
                if on_event is not None:
                    on_event(event)
    assert notifier.returncode is not None
    return notifier.returncode
