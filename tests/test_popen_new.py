"""`Popen(new=...)`: a program is in fresh namespaces, and its caller stays."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing

import pytest
from creating import POWER, nothing_happens
from starting import (
    TYPES,
    Options,
    audited,
    changed,
    links,
    living,
    makable,
    members,
    read_line,
    said,
    told_by_python,
    unended,
)
from support import in_child
from targets import fresh, holder
from test_switching_audit import Event, setns_of
from watching import in_main_of_many, in_worker

from pynamespaces import (
    IdMap,
    NamespaceSet,
    NamespaceType,
    Popen,
    TimeNamespace,
    TypeLike,
    UtsNamespace,
)

OWNED: tuple[TypeLike, ...] = tuple(type for type in TYPES if type != "user")

runs = pytest.mark.parametrize(
    "run_in",
    [in_child, in_main_of_many, in_worker],
    ids=["alone", "main", "worker"],
)
Run = Callable[[Callable[[], object]], object]

CONNECT = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    try:
        socket.create_connection(server.getsockname()).close()
    except OSError as error:
        print(error.errno)
    else:
        print("up")
"""
CLOCKS = """
import time
for clock in (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME):
    print(time.clock_gettime(clock))
"""


def check_new(*types: TypeLike) -> None:
    """Check that a program has these for itself, and that its caller has not."""
    with nothing_happens():
        assert changed(new=types) == {*types}


@runs
@pytest.mark.parametrize("type", TYPES)
def test_each(type: TypeLike, run_in: Run) -> None:
    """Each type is fresh, started by any thread."""
    run_in(lambda: check_new(*makable(type)))


@runs
@pytest.mark.parametrize("type", OWNED)
def test_each_with_user(type: TypeLike, run_in: Run) -> None:
    """Anybody has each with a user namespace, in whichever order they are named."""

    def check() -> None:
        check_new("user", type)
        check_new(type, "user")

    run_in(check)


@runs
def test_all(run_in: Run) -> None:
    """All are made at once."""
    run_in(lambda: check_new(*TYPES))


@POWER
def test_all_but_user() -> None:
    """With power, all the others are made in the caller's user namespace."""
    check_new(*OWNED)


def test_forms() -> None:
    """One type or several, as words or as types, in any iterable, twice as well."""
    assert changed(new=NamespaceType.USER) == {"user"}
    assert changed(new=["user", NamespaceType.NET]) == {"user", "net"}
    assert changed(new=(type for type in TYPES)) == {*TYPES}
    assert changed(new={"user", "uts"}) == {"user", "uts"}
    assert changed(new=("user", "uts", "uts")) == {"user", "uts"}


def test_none_alike() -> None:
    """Two programs share nothing that is fresh."""
    with living(new=TYPES) as one, living(new=TYPES) as two:
        with closing(one.namespaces) as first, closing(two.namespaces) as second:
            assert not {*first.values()} & {*second.values()}
            with closing(first["net"].owner()) as owner:
                assert owner == first["user"]


def test_outlives_the_program() -> None:
    """What was opened outlives the program, and so do names that were copied."""
    with living(new=makable("uts")) as process:
        found = process.namespaces
        process.kill()
        process.wait()
        with closing(found):
            uts = found["uts"]
            assert isinstance(uts, UtsNamespace)
            assert not uts.is_current()
            assert uts.hostname == socket.gethostname()


# --- joined and fresh ones ---


@POWER
@pytest.mark.parametrize("joined", [type for type in TYPES if type != "user"])
def test_join_one_and_make_one(joined: TypeLike) -> None:
    """Whatever is joined, others can be fresh."""
    new: TypeLike = "uts" if joined != "uts" else "net"
    with fresh(joined) as target, nothing_happens():
        assert changed(join=target, new=new) == {joined, new}
        assert links(join=target, new=new)[joined] == str(target.id)
        found = changed(join=target, new=("user", new))
        assert found == {joined, "user", new}


@pytest.mark.parametrize("type", OWNED)
def test_make_in_joined_user(type: TypeLike) -> None:
    """What is fresh belongs to the user namespace that is joined."""
    others = tuple(each for each in OWNED if each != type)
    with holder("user", type) as pid, members(pid, "user", type) as target:
        with living(join=target, new=others) as process:
            with closing(process.namespaces) as found:
                assert found[type] == target[type]
                assert len({*found.values()}) == len(found)
                owners = {type: found[type].owner() for type in others}
                ids = {type: owner.id for type, owner in owners.items()}
                for owner in owners.values():
                    owner.close()
                assert ids == dict.fromkeys(others, target["user"].id)
        assert changed(join=target, new=others) == {*TYPES}


def test_user_in_user() -> None:
    """A fresh user namespace lies within the caller's, which may be a joined set's."""
    with living(new="user") as process, closing(process.namespaces) as found:
        parent = found["user"].owner()
        with closing(parent):
            assert parent.is_current()


@POWER
def test_audit() -> None:
    """What is joined and what is made are told apart."""
    with fresh("net") as net:

        def start() -> None:
            said("true", join=net, new=("uts", "ipc"))

        events: list[Event] = in_child(lambda: audited(start))
    made = "pynamespaces.clone3", frozenset({"uts", "ipc"})
    assert sorted(events) == sorted([setns_of("net"), made])


# --- as they were asked for ---


@pytest.mark.parametrize("name", ["inside", "n" * 64, "ö", "a b"])
def test_hostname(name: str) -> None:
    """A fresh uts namespace has the name that it was given, and nobody else has."""
    before = os.uname().nodename
    with nothing_happens():
        assert said("uname", "-n", new=makable("uts"), hostname=name) == name + "\n"
    assert os.uname().nodename == before
    with living(new=("user", "uts"), hostname=name) as process:
        with closing(process.namespaces) as found:
            uts = found["uts"]
            assert isinstance(uts, UtsNamespace)
            assert uts.hostname == name


@pytest.mark.parametrize(
    "offsets",
    [{}, {"monotonic": 86400}, {"boottime": 1000.25}, {"monotonic": -0.5}],
    ids=str,
)
@pytest.mark.parametrize("others", [(), ("pid", "mnt")], ids=["alone", "init"])
def test_time_offsets(offsets: Mapping[str, float], others: tuple[TypeLike]) -> None:
    """The clocks of a program are ahead by what was asked for."""
    options = Options(new=makable("time", *others), time_offsets=offsets)
    here = [float(word) for word in told_by_python(CLOCKS).split()]
    there = [float(word) for word in told_by_python(CLOCKS, **options).split()]
    expected = [offsets.get("monotonic", 0), offsets.get("boottime", 0)]
    found = [after - before for before, after in zip(here, there, strict=True)]
    assert found == pytest.approx(expected, abs=2)
    with living(**options) as process, closing(process.namespaces) as namespaces:
        time = namespaces["time"]
        assert isinstance(time, TimeNamespace)
        expected_here = {"monotonic": 0.0, "boottime": 0.0} | dict(offsets)
        assert time.offsets == pytest.approx(expected_here)


def test_joined_time() -> None:
    """The clocks of a joined time namespace are those of a program in it."""
    with closing(NamespaceSet.new("user", "time", time_offsets={"boottime": 1e6})) as t:
        here = float(told_by_python(CLOCKS).split()[1])
        there = float(told_by_python(CLOCKS, join=t).split()[1])
        assert there - here == pytest.approx(1e6, abs=2)


@pytest.mark.parametrize(
    ("loopback", "found"), [(None, "up"), (True, "up"), (False, 0)]
)
def test_loopback(loopback: bool | None, found: object) -> None:
    """The loopback interface of a fresh network namespace is up, unless unwanted."""
    options = Options(new=makable("net"))
    if loopback is not None:
        options["loopback"] = loopback
    answer = said(sys.executable, "-I", "-c", CONNECT, **options).strip()
    assert (answer == "up") == (found == "up")
    devices = said("cat", "/proc/net/dev", **options).splitlines()[2:]
    assert "lo" in [line.split(":")[0].strip() for line in devices]


def test_cut_off() -> None:
    """In a fresh network namespace nobody is reached who is outside."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        done = Popen(
            [sys.executable, "-I", "-c", connect],
            stderr=subprocess.PIPE,
            new=makable("net"),
        )
        _, errors = done.communicate()
        assert b"ConnectionRefused" in errors
        assert done.returncode == 1


def test_two_ids_and_all() -> None:
    """All that can be had at once, together."""
    uid = os.geteuid()
    options = Options(
        new=TYPES,
        uid_map=IdMap([(3, uid, 1)]),
        hostname="all",
        time_offsets={"boottime": 5},
        no_new_privs=True,
        die_with_parent=True,
        cwd="/",
        start_new_session=True,
    )
    script = "id -u; uname -n; pwd; echo $PPID; cat"
    with unended() as nothing:
        with Popen(
            ["sh", "-c", script], stdin=nothing, stdout=subprocess.PIPE, **options
        ) as process:
            found = [read_line(process.stdout) for _ in range(4)]
            process.kill()
    assert found == [b"3\n", b"all\n", b"/\n", b"1\n"]
