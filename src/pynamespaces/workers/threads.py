"""`ThreadPoolExecutor`: threads that live and end in namespaces."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures.thread import BrokenThreadPool
from contextlib import suppress
from typing import TYPE_CHECKING, Final, ParamSpec, Protocol, TypeVar, cast

from .. import _core
from .._core import settle
from .._core.threads import wait_until_gone
from .._lib import lib
from .._members import kept
from .._namespace import Namespace
from .._set import NamespaceSet
from .._types import NamespaceType, override
from ..errors import UnsupportedError

if TYPE_CHECKING:
    from .._core.settle import Function
    from .._members import Join

P = ParamSpec("P")
R = TypeVar("R")

_T = NamespaceType

_OWN: Final = (_T.CGROUP, _T.IPC, _T.MNT, _T.NET, _T.UTS)
"""What a thread may have that its process has not."""


class _Place:
    """Where the threads of a pool are, and why not."""

    def __init__(self, namespaces: Join) -> None:
        self.error: BaseException | None = None
        self._members = kept(namespaces)
        self._home = NamespaceSet()
        try:
            for type, namespace in self._members.items():
                if type in settle.NOT_BY_THREADS and not _is_shared(namespace):
                    raise ValueError(
                        f"no thread can be alone in another {type} namespace: use "
                        "processes, with ProcessPoolExecutor(mp_context=get_context("
                        "join=...))"
                    )
            self._home = NamespaceSet(_current_but(self._members))
        except BaseException:
            self.close()
            raise

    def move_in(self) -> None:
        """Move the calling thread, which was born where its pool was asked for work."""
        # mnt has a root and a working directory with it, which nobody has kept.
        mnt = self._home.get(_T.MNT)
        if mnt is not None and not mnt.is_current():
            raise RuntimeError(
                "a pool that was made in another mount namespace was given work, and "
                "its threads cannot go back there: give it work from outside"
            )
        members = [*self._members.values(), *self._home.values()]
        # mnt in any case, for a root and a working directory of the thread's own.
        others = [
            member
            for member in members
            if not _is_shared(member)
            or (member.type is _T.MNT and member.type in self._members)
        ]
        sys.audit("pynamespaces.setns", tuple(member.type for member in others))
        settle.settle_thread(others)

    def __contains__(self, type: object) -> bool:
        return type in self._members

    def close(self) -> None:
        self._members.close()
        self._home.close()


def _is_shared(namespace: Namespace) -> bool:
    """Return whether the calling thread is in a namespace."""
    return namespace._is_where_children_are()


def _current_but(members: NamespaceSet) -> Iterator[Namespace]:
    for type in _OWN:
        if type not in members:
            with suppress(UnsupportedError):  # This kernel has none of it.
                yield Namespace.current(type)


def _move_in(
    place: _Place, initializer: Function | None, initargs: tuple[object, ...]
) -> None:
    try:
        place.move_in()
        if initializer is not None:
            initializer(*initargs)
    except BaseException as error:
        place.error = error
        raise


def _run(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    value = fn(*args, **kwargs)
    settle.refuse_unrun(value)
    return value


class _Init(Protocol):
    def __call__(self, *args: object, **options: object) -> None: ...


class ThreadPoolExecutor(futures.ThreadPoolExecutor):
    """
    A pool of threads that live in namespaces, and end there.

    It is a `concurrent.futures.ThreadPoolExecutor`, for ``loop.run_in_executor`` and
    all that takes one. Each of its threads moves in before its first task, and never
    comes back. Which thread gives it work is all the same: in what is not among
    *namespaces*, its threads are where the one was that made the pool. Of type mnt,
    each has its own root, working directory and umask.

    What cannot be had breaks the pool with its first task: that and all later ones
    raise ``BrokenThreadPool``, whose text and cause are the reason.

    Args:
        namespaces: A `Namespace`, a `NamespaceSet` or several Namespaces. They are
            duplicated, and stay the caller's. Of the types user, pid and time, a
            thread can only be in those of its process.

        max_workers: How many threads; as in `concurrent.futures`.

        thread_name_prefix: What their names begin with.

        initializer: Called by each thread, inside, before its first task.

        initargs: The arguments of *initializer*.

    Raises:
        ValueError: There are user, pid or time namespaces where this process is not.
    """

    _place: _Place

    def __init__(
        self,
        namespaces: Join,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[P, object] | None = None,
        initargs: tuple[object, ...] = (),
    ) -> None:
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        place = _Place(namespaces)
        if _T.MNT in place:
            _core.load_all()
        start = cast("_Init", super().__init__)
        given = (place, initializer, initargs)
        start(max_workers, thread_name_prefix, initializer=_move_in, initargs=given)
        self._place = place
        self._owner = lib.pyns_process()

    @override
    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> futures.Future[R]:
        """
        Have *fn* called inside, as ``Executor.submit``.

        Raises:
            RuntimeError: The pool is shut down, or another process's.
        """
        if self._owner != lib.pyns_process():
            raise RuntimeError(
                "a fork has none of the threads of a pool: make one in the child"
            )
        try:
            return super().submit(_run, fn, *args, **kwargs)
        except BrokenThreadPool as error:
            raise error from self._place.error

    def _initializer_failed(self) -> None:
        """Break the pool, in one of its threads: what waits learns why."""
        reason = self._place.error
        text = f"a thread could not begin in the namespaces: {reason}"
        with self._shutdown_lock:
            self._broken = text  # type: ignore[assignment]
            while True:
                try:
                    item = self._work_queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    continue  # That is for a thread to end.
                if item.future.set_running_or_notify_cancel():
                    broken = BrokenThreadPool(text)
                    broken.__cause__ = reason
                    item.future.set_exception(broken)

    @override
    def shutdown(
        self,
        wait: bool = True,  # noqa: FBT001 - as its base has it
        *,
        cancel_futures: bool = False,
    ) -> None:
        """Shut down as ``Executor`` does; if it waits, no thread is left in there."""
        if self._owner != lib.pyns_process():
            self._place.close()  # All that a fork has of it.
            return
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            for thread in self._threads:
                wait_until_gone(thread.native_id or 0)
            self._place.close()
