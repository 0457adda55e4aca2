"""What replaces an option of unshare does the same as that option."""

import os
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from coming import IN_PYTHON, ON_COMMAND_LINE, WELL, Row, blocks, row_of, rows, typed
from mapping import NOBODY, as_nobody
from pinning import in_own_mounts
from starting import POWER, ROOT, fresh_proc
from witness import Like, check_alike, check_command, names_for, told_by

from pynamespaces import IdMap, Namespace

PAGE: Final = "unshare"

ANYWHERE: Final = ("-U", "-r", "-c", "--map-user", "--map-group", "--keep-caps")
"""Options that take no power."""

OF_GROUPS: Final = ("Gid", "Groups", "gid_map", "setgroups")
OF_USERS: Final = ("Uid", "CapEff", "uid_map")

SIMPLE: Final = ("-m", "-u", "-i", "-n", "-C", "-T", "-U", "-r", "-c")

LIKE: Final = {
    **{name: Like(name) for name in SIMPLE},
    "-n -u -i": Like("-n -u -i"),
    "-p": Like("-p -f"),
    "-f": Like("-p -f", but=["init:"]),
    "--map-user": Like("--map-user=1000", but=OF_GROUPS),
    "--map-group": Like("--map-group=1000", but=OF_USERS),
    "--keep-caps": Like("-c --keep-caps"),
    "--kill-child": Like("-p --kill-child", but=["init:"]),
    "--mount-proc": Like("-p -f --mount-proc", but=["init:"]),
    "--propagation private": Like("-m --propagation private"),
    "--propagation unchanged": Like("-m --propagation unchanged"),
    "--propagation slave": Like("-m --propagation slave"),
    "--propagation shared": Like("-m --propagation shared"),
    "-S": Like("-u -S {uid}"),
    "-G": Like("-u -G {gid}"),
    "-R": Like("-m -R {folder}"),
    "-w": Like("-m -w {folder}"),
    "--monotonic": Like("-T --monotonic 60"),
    "--boottime": Like("-T --boottime 60"),
    "--clear-env": Like("-u"),
}

MAPS: Final = {
    "--map-users": ("uid", "0 100000 65536"),
    "--map-groups": ("gid", "0 100000 65536"),
    "--map-users=all": ("uid", "0 0 4294967295"),
}

OTHERWISE: Final = (*MAPS, "--map-auto", "--map-subids", "--net=FILE")
"""What is tried in another way."""


def marks_of(option: str) -> list[pytest.MarkDecorator]:
    """Return for which tiers an option is."""
    if option in ANYWHERE:
        return []
    # To drop groups, a user namespace of one's own is not enough.
    return [ROOT if option == "-G" else POWER]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.id, marks=marks_of(option))
        for row in rows(PAGE, IN_PYTHON)
        for option in row.known[:1]
        if option not in OTHERWISE
    ],
)
def test_python(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line starts the program in namespaces such as the option makes."""
    like, mine = LIKE[row.known[0]], os.getpid()
    names = names_for(mine)
    check = "True" if "execvp" in row.ours[0] else WELL
    with monkeypatch.context() as patch:
        if row.known[0] == "--clear-env":
            patch.setenv("GREETING", "kept")
        out = typed(PAGE, row.ours[0], mine, names, check)
    theirs = told_by([PAGE, *like.words.format(**names).split()])
    check_alike(out, theirs, like.but, mine)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.id, marks=[] if no_power else POWER)
        for row in rows(PAGE, ON_COMMAND_LINE)
        for no_power in ["-r" in row.id or "-c" in row.id or "CMD" not in row.id]
    ],
)
def test_commands(row: Row) -> None:
    """A command does what the other tool's command does."""
    if "--mount-proc" in row.id:
        fresh_proc()
    check_command(row, os.getpid(), [] if "--no-init" in row.ours[0] else ["init:"])


@ROOT
@pytest.mark.parametrize("option", MAPS)
def test_maps(option: str) -> None:
    """A line has the map written that the option is for."""
    kind, expected = MAPS[option]
    code = next(r for r in rows(PAGE, IN_PYTHON) if r.known[0] == option).ours[0]
    out = typed(PAGE, code, 1, {"cmd": ["cat", f"/proc/self/{kind}_map"]})
    assert out.split() == expected.split()


@ROOT
def test_subordinate_ids() -> None:
    """An ordinary user has the subordinate ids that the files give."""
    ranges = "nobody:100000:1000\n"
    automatic = blocks(PAGE)[1] + "value = " + row_of(PAGE, "--map-auto").ours[0]
    same = row_of(PAGE, "--map-subids").ours[0]
    expected = IdMap([(100000, 100000, 1000)])

    def ours() -> str:
        typed(PAGE, same, 1, {"ids": IdMap.subids(), "same": expected}, "value == same")
        return typed(PAGE, automatic, 1, {"cmd": ["cat", "/proc/self/uid_map"]})

    out = as_nobody(ours, ranges, ranges)
    assert out.split() == ["0", str(NOBODY), "1", "1", "100000", "1000"]


@POWER
def test_kept_by_a_file(tmp_path: Path) -> None:
    """A line has a fresh namespace kept by a file."""
    code, path = row_of(PAGE, "--net=FILE").ours[0], str(tmp_path / "file")

    def keep() -> tuple[str, bool]:
        typed(PAGE, code, 1, {"path": path}, "True")
        with closing(Namespace.from_path(path)) as kept:
            return str(kept.type), kept.is_current()

    assert in_own_mounts(tmp_path, keep) == ("net", False)


def test_all_are_tested() -> None:
    """No line with code is left out."""
    assert {row.known[0] for row in rows(PAGE, IN_PYTHON)} == {*LIKE, *OTHERWISE}
