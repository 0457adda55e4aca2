"""`call`, which namespaces and sets of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast, overload

from . import _core
from ._types import shown

if TYPE_CHECKING:
    from ._core.call import How
    from ._core.settle import Function, Member

P = ParamSpec("P")
R = TypeVar("R")


class Caller:
    """What calls functions elsewhere."""

    __slots__ = ()

    def _called_in(self) -> Sequence[Member]:
        """Return the namespaces, none of which is closed."""
        raise NotImplementedError

    @overload
    def call(
        self,
        func: Callable[P, R],
        /,
        *args: object,
        how: How | None,
        **kwargs: object,
    ) -> R: ...
    @overload
    def call(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    # Arguments of its own are in no ParamSpec.
    def call(  # type: ignore[misc]
        self,
        func: Callable[P, R],
        /,
        *args: object,
        how: How | None = None,
        **kwargs: object,
    ) -> R:
        """
        Call a function here, wait for it, and return its value.

        The calling thread stays where it is. The function runs in a fresh thread that
        moves here for good and ends; or in a process, where threads cannot be: in a
        user, pid or time namespace, and in others together with one of these. Those
        that the calling thread is in already are left out. See :manpage:`setns(2)`.

        *In a thread*, of type mnt, it has its own root, working directory and umask.
        It sees the context variables of the caller, in a copy.

        *In a process*, the value is pickled there and unpickled here. If this process
        has one thread, the other is a copy of it; else it is a fresh interpreter, and
        the function and its arguments are pickled too. In a user namespace it is 0:0,
        if that is mapped. Standard streams and the environment are the caller's. It
        ends with the function, also if that has started threads, and is killed if the
        wait is interrupted. A thread is not: it goes on to its end.

        Args:
            func: What is called. In a mount namespace that is not trusted, what imports
                nothing there: see :doc:`/explanation/calling`.

            args: Its arguments.

            how: ``"thread"`` or ``"process"``, to have it so.

            kwargs: Its arguments by name, of which none can be *how*.

        Raises:
            CallError: There is no value: it called ``sys.exit``, its process was
                killed, or something cannot be pickled.

            SystemCallError: The kernel refused; the function was not called.

            ValueError: *how* is a thread, which cannot be there.

            BaseException: What the function raised. From a process it comes with the
                traceback there as its cause.
        """
        if not callable(func):
            raise TypeError(f"what is called is a function, not {shown(func)}")
        function = cast("Function", func)
        value = _core.call.call(self._called_in(), function, args, kwargs, how)
        return cast("R", value)
