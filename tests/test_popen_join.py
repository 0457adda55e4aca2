"""`Popen(join=...)`: a program is in namespaces that exist, and nobody else moves."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from errno import ENOENT, EPERM

import pytest
from creating import nothing_happens
from starting import (
    POWER,
    ROOT,
    TYPES,
    Options,
    audited,
    changed,
    links,
    living,
    makable,
    members,
    prepared,
    refused,
    said,
    status_of,
)
from support import TIER, in_child, own_all, program
from targets import fresh, holder, link
from test_switching_audit import setns_of
from watching import in_main_of_many, in_worker, unchanged

from pynamespaces import IdMap, Namespace, NamespaceSet, TypeLike, UserNamespace

OWNED: tuple[TypeLike, ...] = tuple(type for type in TYPES if type != "user")

each_type = pytest.mark.parametrize("type", TYPES)
each_owned = pytest.mark.parametrize("type", OWNED)
runs = pytest.mark.parametrize(
    "run_in",
    [in_child, in_main_of_many, in_worker],
    ids=["alone", "main", "worker"],
)
Run = Callable[[Callable[[], object]], object]


def check_in(target: NamespaceSet) -> None:
    """Check that a program joins these, no others, and that the caller stays."""
    with nothing_happens():
        mine = own_all()
        found = links(join=target)
        expected = {type: str(namespace.id) for type, namespace in target.items()}
        assert found == {type: mine[type] for type in found} | expected


@POWER
@each_type
@runs
def test_each(type: TypeLike, run_in: Run) -> None:
    """A program joins one namespace of any type, started by any thread."""
    with fresh(type) as target:
        run_in(lambda: check_in(NamespaceSet([target])))
        assert changed(join=target) == {type}


@each_owned
@runs
def test_each_with_user(type: TypeLike, run_in: Run) -> None:
    """Anybody joins what belongs to an own user namespace, together with that."""
    with holder("user", type) as pid, members(pid, "user", type) as target:
        run_in(lambda: check_in(target))


@pytest.mark.parametrize("order", [1, -1])
def test_all(order: int) -> None:
    """All are joined at once, in whichever order they are given."""
    with holder(*(type for type in TYPES if type != "pid"), "pid") as pid:
        with members(pid, *TYPES[::order]) as target:
            check_in(target)
            check_in(NamespaceSet(reversed(list(target.values()))))


@POWER
def test_all_but_user() -> None:
    """With power, all the others are joined without a user namespace."""
    with holder(*OWNED) as pid, members(pid, *OWNED) as target:
        check_in(target)


def test_forms() -> None:
    """One namespace, a set, or any iterable of namespaces."""
    with holder("user", "uts") as pid, members(pid, "user", "uts") as target:
        expected = {"user", "uts"}
        namespaces = list(target.values())
        forms: list[Iterable[Namespace] | NamespaceSet]
        forms = [target, namespaces, tuple(namespaces), iter(namespaces)]
        forms += [(each for each in namespaces), {*namespaces}]
        for form in forms:
            assert changed(join=form) == expected
        assert changed(join=target["user"]) == {"user"}
        assert not any(namespace.closed for namespace in namespaces)


def test_namespaces() -> None:
    """The program's namespaces are those that were joined, and the caller's."""
    with holder("user", "net") as pid, members(pid, "user", "net") as target:
        with living(join=target) as process, closing(process.namespaces) as found:
            mine = own_all()
            for type, namespace in found.items():
                same = namespace == target[type] if type in target else False
                assert same or str(namespace.id) == mine[type]


def test_already_there() -> None:
    """What the caller is in already is left out, with power and without."""

    def join_all() -> None:
        with closing(NamespaceSet.current()) as mine, nothing_happens():
            assert changed(join=mine) == set()
            assert changed(join=mine["user"]) == set()
            assert changed(join=mine["time"]) == set()

    assert in_child(lambda: audited(join_all)) == []
    in_worker(join_all)


def test_some_already_there() -> None:
    """Of a process's namespaces, those are joined that differ."""
    with holder("user", "uts") as pid, closing(NamespaceSet.from_pid(pid)) as target:
        assert len(target) == len(own_all()) - 2
        assert changed(join=target) == {"user", "uts"}

        def start() -> None:
            said("true", join=target)

        assert in_child(lambda: audited(start)) == [setns_of("user", "uts")]


@POWER
def test_where_the_thread_is() -> None:
    """A program starts where the calling thread has entered, and joins from there."""
    with fresh("uts") as uts, fresh("net") as net:

        def check() -> None:
            with uts:
                assert changed() == set()
                assert changed(join=uts) == set()
                assert changed(join=net) == {"net"}
                assert links(join=net)["uts"] == str(uts.id)
                assert links(new="ipc")["uts"] == str(uts.id)

        in_child(check)
        in_worker(check)


# --- user namespaces ---


def test_root_inside() -> None:
    """Who joins a user namespace that maps 0 is root there."""
    with holder("user") as pid, members(pid, "user") as target:
        found = status_of(join=target)
        assert found["Uid"].split() == found["Gid"].split() == ["0"] * 4
        assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) != 0
        assert said("id", "-u", join=target, user=0, group=0) == "0\n"


@ROOT
def test_ids_inside() -> None:
    """Other ids are had where they are asked for, and mapped."""
    ids = IdMap([(0, 100000, 1000)])
    made = UserNamespace.new("user", uid_map=ids, gid_map=ids)
    with closing(made):
        assert said("sh", "-c", "id -u; id -g", join=made).split() == ["0", "0"]
        options = Options(join=made, user=5, group=6, extra_groups=[7])
        found = said("sh", "-c", "id -u; id -G", **options)
        assert found.split() == ["5", "6", "7"]


@ROOT
def test_root_of_a_foreign_one() -> None:
    """Root joins what another user has made, and can still be looked into itself."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with foreign_user(*command) as target, nothing_happens():
        found = status_of(join=target)
        assert found["Uid"].split() == ["0"] * 4
        assert os.stat("/proc/self/status").st_uid == 0


@contextmanager
def foreign_user(*command: str) -> Iterator[Namespace]:
    """Have a user namespace of another user's."""
    script = " ".join([*command, "unshare", "--user", "--map-root-user", "sh -ec"])
    with prepared(f"exec {script} 'echo ready; exec cat'", "--ipc") as pid:
        # Who was ordered to start it is what it has become.
        with closing(Namespace.from_path(link(pid, "user"), "user")) as user:
            yield user


@ROOT
@pytest.mark.parametrize("order", [1, -1])
def test_of_two_owners(order: int) -> None:
    """With power, a user namespace is joined with what it does not own."""
    with holder("user", "net") as pid, members(pid, "user", "net") as inside:
        with fresh("uts") as uts, fresh("mnt") as mnt, fresh("pid") as its:
            target = [inside["user"], uts, mnt, inside["net"], its]
            check_in(NamespaceSet(target[::order]))


def test_owned_by_no_one_of_ours() -> None:
    """What belongs to neither is refused, and nothing is half done."""
    with holder("user", "net") as one, members(one, "user", "net") as first:
        with holder("user", "uts") as two, members(two, "user", "uts") as second:
            if TIER == "plain":
                refused("setns", EPERM, join=[first["user"], second["uts"]])
                refused("setns", EPERM, join=first["net"])
            else:
                assert changed(join=[first["user"], second["uts"]]) == {"user", "uts"}


# --- mount namespaces ---


def test_root_directory() -> None:
    """In a mount namespace a program starts in its root, or where it was told."""
    script = "mount -t tmpfs none /tmp; mkdir /tmp/inside"
    options = ["--user", "--map-root-user", "--mount"]
    with prepared(script, *options) as pid, members(pid, "user", "mnt") as target:
        with unchanged():
            assert said("pwd", "-P", join=target) == "/\n"
            assert said("pwd", "-P", join=target, cwd="/tmp/inside") == "/tmp/inside\n"
            assert said("ls", "inside/..", join=target, cwd="/tmp") == "inside\n"
            refused("chdir", ENOENT, join=target, cwd=os.getcwd() + "/no/such")
        assert not os.path.exists("/tmp/inside")


def test_program_inside() -> None:
    """The program is looked for inside, and so is what it is missing."""
    script = f"mount -t tmpfs none /mnt; cp {program('echo')} /mnt/tool"
    options = ["--user", "--map-root-user", "--mount"]
    with prepared(script, *options) as pid, members(pid, "user", "mnt") as target:
        assert said("/mnt/tool", "x", join=target) == "x\n"
        assert said("./tool", "x", join=target, cwd="/mnt") == "x\n"
        environment = {"PATH": "/no/such:/mnt"}
        assert said("tool", "x", join=target, env=environment) == "x\n"
        refused("execve", ENOENT, "/mnt/tool", "x", new=makable("uts"))
