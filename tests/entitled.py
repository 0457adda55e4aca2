"""Who may enter what, tried: callers of several kinds, targets, and ways to get in."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final, TypeAlias

from holding import in_own_userns
from mapping import become_nobody
from provoking import another_process, check, drop_capabilities, libc
from starting import TYPES
from support import TIER, in_child

from pynamespaces import (
    IrreversibleError,
    MountNamespace,
    MultithreadedError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    NetNamespace,
    Popen,
    SpawnError,
    TimeNamespace,
    TypeLike,
    UserNamespace,
    UtsNamespace,
    check_output,
    unshare,
)

Targets: TypeAlias = Mapping[str, Namespace]
Trial: TypeAlias = Callable[[Targets], dict[str, str]]
Answers: TypeAlias = dict[str, str]

OWNED: Final[tuple[TypeLike, ...]] = (
    *("cgroup", "ipc", "mnt", "net", "pid", "time", "uts"),
)
"""The types that belong to a user namespace."""

_PR_SET_SECUREBITS: Final = 28
_NO_ROOT_FOR_GOOD: Final = 0x3

_LINKS: Final = {"pid": "pid_for_children", "time": "time_for_children"}


@contextmanager
def targets(*new: TypeLike) -> Iterator[dict[str, Namespace]]:
    """Open the namespaces of a program that has fresh ones, and a user namespace."""
    pipe = subprocess.PIPE
    with Popen(["cat"], stdin=pipe, new=new, mount_proc=False) as process:
        found = process.namespaces
        try:
            members = {str(type): found[type] for type in new}
            if "user" not in members:
                members["user"] = Namespace.new("user")
            yield members
        finally:
            found.close()


def as_root(trial: Trial) -> Answers:
    """Try it as somebody who has power over the target, and over where it is."""

    def inside() -> Answers:
        with targets(*OWNED) as made:
            return trial(made)

    # As who runs the tests, there would be a time namespace of somebody else's.
    return in_child(inside) if TIER == "root" else in_own_userns(inside, *OWNED)


def as_root_away(trial: Trial) -> Answers:
    """Try it in a user namespace that owns the target, and not where one is."""

    def inside() -> Answers:
        with targets(*OWNED) as made:
            return trial(made)

    return in_own_userns(inside)


def as_root_below(trial: Trial, *own: TypeLike) -> Answers:
    """Try it in a user namespace below the owner of the target, with others of it."""

    def inside() -> Answers:
        with targets(*OWNED) as made, closing(Namespace.current("user")) as user:
            return in_own_userns(lambda: trial({**made, "user": user}), *own)

    return in_own_userns(inside)


def as_maker(trial: Trial) -> Answers:
    """Try it as somebody without power who has made the owner of the target."""

    def ordinary(made: Targets) -> Answers:
        _give_up_power()
        return trial(made)

    def inside() -> Answers:
        with targets(*TYPES) as made:
            return in_child(lambda: ordinary(made))

    return in_own_userns(inside, *OWNED) if TIER == "userns" else in_child(inside)


def as_stranger(trial: Trial) -> Answers:
    """Try it as somebody without power, whose target is of others."""

    def ordinary(made: Targets) -> Answers:
        _give_up_power()
        return trial(made)

    def inside() -> Answers:
        with targets(*OWNED) as made:
            return in_child(lambda: ordinary({**made, "user": user}))

    with closing(_of_somebody_else()) as user:
        return in_child(inside) if TIER == "root" else in_own_userns(inside, *OWNED)


def _of_somebody_else() -> Namespace:
    """Open a user namespace that is not the caller's even where it made those below."""
    if TIER != "root":
        return Namespace.current("user")

    def become_another() -> None:
        become_nobody()
        unshare("user")

    with another_process(become_another) as pid:
        return Namespace.from_pid(pid, "user")


def _give_up_power() -> None:
    """Have no capability, nor one by executing a program."""
    if TIER != "plain" or os.geteuid() == 0:
        # Who has another uid could not start the interpreter, which may be root's.
        check(libc.prctl(_PR_SET_SECUREBITS, ctypes.c_ulong(_NO_ROOT_FOR_GOOD)))
        drop_capabilities()


def link_of(type: str) -> str:
    """Return what the link of the calling thread says, of its children where due."""
    return os.readlink(f"/proc/thread-self/ns/{_LINKS.get(type, type)}")


def _enters(namespace: Namespace) -> None:
    _enter(namespace, unshare_fs=False)


def _enters_apart(namespace: Namespace) -> None:
    _enter(namespace, unshare_fs=True)


def _enter(namespace: Namespace, *, unshare_fs: bool) -> None:
    type = str(namespace.type)
    home = link_of(type)
    with namespace.enter(unshare_fs=unshare_fs):
        assert link_of(type) == str(namespace.id)
    assert link_of(type) == home


def _calls(namespace: Namespace) -> None:
    path = f"/proc/thread-self/ns/{namespace.type}"
    assert namespace.call(os.readlink, path) == str(namespace.id)


def _calls_with_owner(namespace: Namespace) -> None:
    path = f"/proc/thread-self/ns/{namespace.type}"
    with _beside_owner(namespace) as both:
        assert both.call(os.readlink, path) == str(namespace.id)


def _runs(namespace: Namespace) -> None:
    _run(namespace, namespace)


def _runs_with_owner(namespace: Namespace) -> None:
    with _beside_owner(namespace) as both:
        _run(namespace, both)


@contextmanager
def _beside_owner(namespace: Namespace) -> Iterator[NamespaceSet]:
    if isinstance(namespace, UserNamespace):
        raise NotImplementedError
    with closing(namespace.owner()) as owner:
        yield NamespaceSet([owner, namespace])


def _run(namespace: Namespace, join: Namespace | NamespaceSet) -> None:
    command = ["readlink", f"/proc/self/ns/{namespace.type}"]
    said = check_output(command, join=join, text=True)
    assert said == f"{namespace.id}\n"


def _reaches(namespace: Namespace) -> None:
    match namespace:
        case NetNamespace():
            namespace.socket().close()
        case UtsNamespace():
            assert namespace.hostname is not None
        case MountNamespace():
            os.close(namespace.open("/"))
        case TimeNamespace():
            assert namespace.offsets
        case UserNamespace():
            list(namespace.uid_map)
        case _:
            raise NotImplementedError


WAYS: Final[Mapping[str, Callable[[Namespace], None]]] = {
    "`with`": _enters,
    "`with`, with its own root": _enters_apart,
    "`call`": _calls,
    "`run`": _runs,
    "`call`, with owner": _calls_with_owner,
    "`run`, with owner": _runs_with_owner,
    "from outside": _reaches,
}


def answer_of(way: str, namespace: Namespace) -> str:
    """Try a way in, and return in one word how that went."""
    try:
        WAYS[way](namespace)
    except NotImplementedError:
        return "-"
    except MultithreadedError:
        return "threads"
    except IrreversibleError:
        return "no way back"
    except NamespacePermissionError:
        return "no power"
    except SpawnError as error:
        # Not that the program could not be executed.
        if isinstance(error, PermissionError) and error.step == "setns":
            return "no power"
        raise
    return "yes"


def answers(cells: Collection[tuple[str, str]], made: Targets) -> dict[str, str]:
    """Try ways in, each to a namespace of a type; return the answers in that order."""
    return {f"{type} {way}": answer_of(way, made[type]) for type, way in cells}
