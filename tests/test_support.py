"""`support`: what it says is what then happens, and it leaves nothing behind."""

import errno
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from newer import leads_to_pending, need
from old_kernels import on_old
from provoking import another_process, another_thread, own_mounts
from support import ALL_TYPES, TIER, in_child, own_all, status_field

from pynamespaces import (
    IdMap,
    IrreversibleError,
    Namespace,
    NamespaceError,
    NamespaceSet,
    NamespaceType,
    NoSuchNamespaceError,
    Popen,
    TypeLike,
    lowlevel,
    run,
    unshare,
)
from pynamespaces.probing import Operation, Support, support


@pytest.fixture(scope="module")
def found() -> Support:
    """What this process may do, tried once."""
    return support()


def test_has_all(found: Support) -> None:
    """There is an answer for each operation of each type, with words for people."""
    names = {type: set(found[type]) for type in NamespaceType}
    assert names.pop(NamespaceType.USER) == names[NamespaceType.NET] - {"new_with_user"}
    assert set(map(frozenset, names.values())) == {
        frozenset(
            ("exists", "new", "new_with_user", "enter", "enter_threaded", "join", "pin")
        )
        | {"handle"}
    }
    assert set(found.general) > {"clone3", "statmount", "subids", "names"}
    assert len({(each.type, each.name) for each in found}) == len(found)
    assert all(each.title for each in found)
    assert repr(found) == (
        f"<Support: {sum(map(bool, found))} of {len(found)} operations work>"
    )


def test_reasons(found: Support) -> None:
    """What does not work has a reason, and what works has none."""
    for each in found:
        assert each.works == (each.reason is None), each
        assert each.works <= ((each.hint, each.errno) == (None, None)), each


def test_user_is_never_entered(found: Support) -> None:
    """What this package refuses itself is told as it tells it."""
    told = found["user"]["enter"]
    assert not told
    assert told.reason == "a user namespace can never be left"
    assert "call()" in (told.hint or "")


def test_threads_matter(found: Support) -> None:
    """Beside other threads, less can be entered."""
    time = found["time"]["enter_threaded"]
    assert not time
    if TIER != "userns":  # There it has no way back, threads or not.
        assert time.errno == errno.EUSERS
        assert "threads" in (time.reason or "")
    if TIER != "plain":
        assert "threads" in (found["mnt"]["enter_threaded"].reason or "")
        assert found["mnt"]["enter"].works


def test_is_plain_data(found: Support) -> None:
    """It can be pickled, compared, hashed, and written as JSON."""
    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(Support([*found])) == hash(found)
    assert Support([*found][1:]) != found
    assert found != object()
    data = json.loads(found.to_json(indent=1))
    assert data == json.loads(found.to_json())
    assert [Operation(**each) for each in data["operations"]] == [*found]


def test_type_must_be_one(found: Support) -> None:
    """The eight types are the keys."""
    with pytest.raises(ValueError, match="not a namespace type"):
        found["network"]  # type: ignore[index]


# --- agreement ----------------------------------------------------------------------


@contextmanager
def _fresh(type: str) -> Iterator[list[Namespace]]:
    """Have a namespace, and the user namespace that it took to make it."""
    kind = NamespaceType(type)
    if kind is NamespaceType.PID:
        new: list[TypeLike] = ["pid"] if TIER != "plain" else ["user", "pid"]
        with Popen(["cat"], new=new, stdin=subprocess.PIPE) as process:
            members = process.namespaces
            yield [members[type] for type in reversed(new)]
        return
    if TIER == "plain" and kind is not NamespaceType.USER:
        made = NamespaceSet.new("user", kind)
        yield [made[kind], made["user"]]
    else:
        yield [Namespace.new(kind)]


def _exists(type: NamespaceType) -> None:
    os.stat(f"/proc/self/ns/{type}")


def _new(type: NamespaceType) -> None:
    if type is NamespaceType.PID:
        run(["true"], new=type, check=True)
    else:
        Namespace.new(type)


def _new_with_user(type: NamespaceType) -> None:
    run(["true"], new=("user", type), check=True)


def _enter(type: NamespaceType) -> None:
    with _fresh(type) as fresh, fresh[0]:
        assert fresh[0]._is_where_children_are() or type in ("pid", "time")


def _enter_threaded(type: NamespaceType) -> None:
    with _fresh(type) as fresh, another_thread(), fresh[0]:
        pass


def _join(type: NamespaceType) -> None:
    with _fresh(type) as fresh:
        command = ["readlink", f"/proc/self/ns/{type}"]
        done = run(command, join=fresh, stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout.strip() == str(fresh[0].id)


def _pin(type: NamespaceType) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if TIER != "plain":
        own_mounts()
    with tempfile.TemporaryDirectory() as folder, _fresh(type) as fresh:
        fresh[0].pin(f"{folder}/pin")
        os.system(f"umount -l {folder}/pin")


def _handle(type: NamespaceType) -> None:
    with _fresh(type) as fresh:
        lowlevel.open_by_handle_at(lowlevel.name_to_handle_at(fresh[0]))


REAL: dict[str, Callable[[NamespaceType], None]] = {
    "exists": _exists,
    "new": _new,
    "new_with_user": _new_with_user,
    "enter": _enter,
    "enter_threaded": _enter_threaded,
    "join": _join,
    "pin": _pin,
    "handle": _handle,
}


def _works(function: Callable[[], object]) -> bool:
    def work() -> None:
        function()

    try:
        in_child(work)
    except (NamespaceError, OSError):
        return False
    return True


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("type", ALL_TYPES)
def test_agrees_with_types(found: Support, type: str, name: str) -> None:
    """What is said to work does, and what is said not to work does not."""
    kind = NamespaceType(type)
    if (type, name) == ("user", "new_with_user"):
        assert name not in found[kind]
        return
    assert found[kind][name].works == _works(lambda: REAL[name](kind)), found[kind]


def _clone3() -> None:
    pid, _ = lowlevel.clone3()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _cgroup() -> None:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next(line[3:] for line in lines if line.startswith("0::"))
    mounts = [
        line.split() for line in Path("/proc/self/mounts").read_text().split("\n")
    ]
    mount = next(words[1] for words in mounts if words[2:3] == ["cgroup2"])
    run(["true"], cgroup=f"{mount}/{own}", check=True)


def _subids() -> None:
    ids = IdMap.subids()
    Namespace.new("user", uid_map=ids, gid_map=ids)


def _mount_proc() -> None:
    new: list[TypeLike] = ["pid", "mnt"]
    if TIER == "plain":
        new.append("user")
    done = run(["readlink", "/proc/self"], new=new, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"2\n"


def _loopback() -> None:
    new = ("net",) if TIER != "plain" else ("user", "net")
    with NamespaceSet.new(*new)["net"].socket() as sock:  # type: ignore[attr-defined]
        sock.bind(("127.0.0.1", 0))


GENERAL: dict[str, Callable[[], object]] = {
    "clone3": _clone3,
    "pidfd_open": lambda: lowlevel.pidfd_open(os.getpid()),
    "pidfd_namespaces": lambda: lowlevel.pidfd_get_uts_namespace(
        lowlevel.pidfd_open(os.getpid())
    ),
    "ids": lambda: lowlevel.ns_get_id(Namespace.current("uts")),
    "handles": lambda: lowlevel.name_to_handle_at(Namespace.current("uts")),
    "listns": lowlevel.listns,
    "cgroup": _cgroup,
    "id_map": lambda: Namespace.new("user", uid_map=IdMap.current()),
    "subids": _subids,
    "mount_proc": _mount_proc,
    "loopback": _loopback,
}


@pytest.mark.parametrize("name", GENERAL)
def test_agrees_with_kernel(found: Support, name: str) -> None:
    """The same of what is not about one type."""
    told = found.general[name]
    assert told.works == _works(GENERAL[name]), told


def test_statmount(found: Support) -> None:
    """Where it is there, mounts have ids that are never given twice."""
    mounts = Namespace.current("mnt").mounts()
    assert found.general["statmount"].works >= (mounts[0].unique_id is not None)


# --- who asks -----------------------------------------------------------------------


def test_same_with_threads(found: Support) -> None:
    """A process with threads gets the same answers, by a fresh interpreter."""
    with another_thread():
        assert support() == found


def test_moves_nobody() -> None:
    """The calling thread is where it was, with the same name, ids and handlers."""
    fields = ("CapEff", "CapPrm", "CapBnd", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs")

    def state() -> object:
        return own_all(), [status_field(name) for name in fields]

    before = state()
    support()
    assert state() == before


@pytest.mark.tier("root", "userns")
@pytest.mark.parametrize("threaded", [False, True])
def test_pid_pending(threaded: bool, found: Support) -> None:
    """Where children are born elsewhere, that is kept, and told."""
    need("pidfd-namespaces")

    def pending() -> tuple[Support, int]:
        unshare("pid")
        told = support()
        # It is still to have its first process: this one.
        pid = os.fork()
        if pid == 0:
            os._exit(os.getpid())
        return told, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def beside() -> tuple[Support, int]:
        with another_thread():
            return pending()

    told, pid = in_child(beside if threaded else pending)
    assert pid == 1
    assert not told["uts"]["new"].works
    assert "init of a fresh pid namespace" in (told["uts"]["new"].reason or "")
    assert told["uts"]["enter"].works == found["uts"]["enter"].works


@pytest.mark.tier("root", "userns")
def test_pid_pending_on_old() -> None:
    """Where nothing leads to where children are born, nothing is tried."""

    def pending() -> int:
        unshare("pid")
        with pytest.raises(NoSuchNamespaceError, match=r"before Linux 6\.11"):
            support()
        pid = os.fork()
        if pid == 0:
            os._exit(os.getpid())
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    if leads_to_pending():
        pytest.skip("on this kernel the link always leads there")
    assert on_old("5.10", pending) == 1


@pytest.mark.tier("root", "userns")
def test_pid_pending_with_init(found: Support) -> None:
    """Children may be born among others, and then more works."""

    def inside() -> Support:
        unshare("pid")
        with another_process():
            return support()

    told = in_child(inside)
    assert told["uts"]["new"].works == found["uts"]["new"].works
    assert told["net"]["join"].works == found["net"]["join"].works


@pytest.mark.tier("root", "userns")
def test_time_pending() -> None:
    """The clocks of a time namespace that is still to be set up are left alone."""

    def inside() -> str:
        unshare("time")
        with pytest.raises(IrreversibleError) as caught:
            support()
        # It can still be written.
        path = f"/proc/{os.getpid()}/timens_offsets"
        Path(path).write_text("monotonic 5 0")
        return str(caught.value)

    assert "leave that one first" in in_child(inside)
