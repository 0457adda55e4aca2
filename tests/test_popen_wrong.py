"""Arguments that cannot be: refused before anything is done."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing

import pytest
from creating import nothing_happens
from starting import Options, makable, said
from support import in_child

import pynamespaces
from pynamespaces import (
    ClosedNamespaceError,
    IdMap,
    Namespace,
    NamespaceSet,
    Popen,
    run,
)

STANDARD: list[dict[str, object]] = [
    {"args": []},
    {"args": ["true", "a\0b"]},
    {"args": ["true", 5]},
    {"args": 5},
    {"env": {"a=b": "c"}},
    {"env": {"a": "\0"}},
    {"cwd": "a\0b"},
    {"pass_fds": (-1,)},
    {"pass_fds": (2**31,)},
    {"user": -1},
    {"user": 2**64},
    {"user": 1.5},
    {"group": -1},
    {"extra_groups": [-1]},
    {"stdin": "a"},
    {"stdin": -5},
    {"bufsize": "1"},
    {"text": True, "universal_newlines": False},
    {"startupinfo": 1},
    {"nonsense": 1},
    {"process_group": "x"},
]


@pytest.mark.parametrize("wrong", STANDARD, ids=str)
def test_as_subprocess(wrong: dict[str, object]) -> None:
    """What subprocess refuses is refused in the same way."""
    wrong = {"args": ["true"]} | wrong
    with nothing_happens():
        with pytest.raises(Exception) as expected:
            subprocess.Popen(**wrong)  # type: ignore[call-overload]
        with pytest.raises(Exception) as found:
            run(**wrong, new=("user", "uts"))  # type: ignore[call-overload]
        assert expected.type in found.type.__mro__, (expected, found)


OURS: list[tuple[dict[str, object], type[Exception], str | None]] = [
    ({"new": "uts", "preexec_fn": int}, ValueError, "preexec_fn"),
    ({"caps": "drop", "preexec_fn": int}, ValueError, "preexec_fn"),
    ({"join": (), "die_with_parent": True, "preexec_fn": int}, ValueError, None),
    ({"no_new_privs": True, "preexec_fn": int}, ValueError, "preexec_fn"),
    ({"cgroup": "/", "preexec_fn": int}, ValueError, "preexec_fn"),
    ({"hostname": "x"}, ValueError, "uts"),
    ({"hostname": "x", "new": "user"}, ValueError, "uts"),
    ({"hostname": "n" * 65, "new": ("user", "uts")}, ValueError, "64"),
    ({"hostname": "a\0b", "new": ("user", "uts")}, ValueError, None),
    ({"hostname": 5, "new": ("user", "uts")}, TypeError, None),
    ({"time_offsets": {"monotonic": 1}}, ValueError, "time"),
    ({"time_offsets": {}, "new": "uts"}, ValueError, "time"),
    ({"time_offsets": {"realtime": 1}, "new": "time"}, ValueError, None),
    ({"time_offsets": {"monotonic": "1"}, "new": "time"}, TypeError, None),
    ({"time_offsets": {"boottime": float("nan")}, "new": "time"}, ValueError, None),
    ({"uid_map": IdMap.root()}, ValueError, "user"),
    ({"uid_map": IdMap.root(), "new": "net"}, ValueError, "user"),
    ({"gid_map": IdMap.root(), "new": ["net", "uts"]}, ValueError, "user"),
    ({"new": "user", "uid_map": [(0, 0, 1)]}, TypeError, None),
    ({"new": "user", "gid_map": 5}, TypeError, None),
    ({"init": True}, ValueError, "pid"),
    ({"init": True, "new": ("user", "uts")}, ValueError, "pid"),
    ({"new": "nett"}, ValueError, "'cgroup'"),
    ({"new": ["net", "nett"]}, ValueError, "'cgroup'"),
    ({"new": 5}, TypeError, None),
    ({"new": ["uts", 5]}, TypeError, None),
    ({"join": 5}, TypeError, None),
    ({"join": "net"}, TypeError, None),
    ({"join": ["net"]}, TypeError, None),
    ({"join": {"net": 5}}, TypeError, None),
    ({"caps": "all"}, ValueError, None),
    ({"caps": ["net_admin", "cap_nonsense"]}, ValueError, "nonsense"),
    ({"caps": ["keep"]}, ValueError, None),
    ({"caps": 5}, TypeError, None),
    ({"cgroup": 1.5}, TypeError, None),
    ({"new": "user", "uid_map": IdMap([(5, 54321, 1)])}, ValueError, "user"),
]


@pytest.mark.parametrize(("options", "error", "match"), OURS, ids=str)
@pytest.mark.parametrize("name", ["Popen", "run", "check_output"])
def test_ours(
    options: Mapping[str, object],
    error: type[Exception],
    match: str | None,
    name: str,
) -> None:
    """What cannot be is refused before any system call, and said."""

    def check() -> None:
        events: list[str] = []
        sys.addaudithook(lambda event, _: events.append(event))
        with nothing_happens():
            events.clear()
            with pytest.raises(error, match=match):
                getattr(pynamespaces, name)(["true"], **options)
            begun = [event for event in events if event.startswith("pynamespaces.")]
            assert begun == []

    in_child(check)


def test_twice() -> None:
    """A type is joined once, or made, and not both."""
    with closing(NamespaceSet.current("uts", "net")) as mine:
        with closing(Namespace.current("uts")) as again, nothing_happens():
            with pytest.raises(ValueError, match="uts"):
                Popen(["true"], join=[*mine.values(), again])
            with pytest.raises(ValueError, match="uts"):
                Popen(["true"], join=mine, new="uts")
            with pytest.raises(ValueError, match="uts"):
                Popen(["true"], join=mine, new=["user", "uts"])


def test_hostname_of_joined() -> None:
    """The host's name is not set by joining the namespace that has it."""
    with closing(Namespace.current("uts")) as uts, nothing_happens():
        with pytest.raises(ValueError, match="uts"):
            Popen(["true"], join=uts, hostname="x")
        with closing(Namespace.current("user")) as user:
            with pytest.raises(ValueError, match="user"):
                Popen(["true"], join=user, uid_map=IdMap.root())


def test_closed() -> None:
    """What has been closed cannot be joined."""
    uts = Namespace.current("uts")
    uts.close()
    with nothing_happens():
        for join in (uts, [uts], (each for each in [uts])):
            with pytest.raises(ClosedNamespaceError):
                Popen(["true"], join=join, stdin=subprocess.PIPE)


def test_join_nothing() -> None:
    """To join nothing and make nothing is no mistake."""
    empty: Options
    for empty in (Options(join=()), Options(new=[]), Options(join=None, new=())):
        assert said("echo", "x", **empty) == "x\n"
    with closing(NamespaceSet()) as nothing:
        assert said("echo", "x", join=nothing) == "x\n"
        found = said("echo", "x", join=nothing, new=makable("uts"))
        assert found == "x\n"


def test_preexec_fn_alone() -> None:
    """Without any of ours it is the standard library's business."""
    done = run(["true"], preexec_fn=int, init=None, loopback=True, mount_proc=True)
    assert done.returncode == 0
