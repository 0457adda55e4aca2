"""``pynamespaces pin``, ``unpin`` and ``netns``: files that keep namespaces."""

import json
import os
from pathlib import Path

import pytest
from commanding import check_refusal, pynamespaces
from holding import Holder
from naming import in_own_run, ip, ip_names, leave
from pinning import in_own_mounts, mounted_at
from support import TIER, program

from pynamespaces import NetNamespace

pytestmark = pytest.mark.tier("root", "userns", "plain")
powerful = pytest.mark.tier("root", "userns")


@powerful
def test_pin(target: Holder, tmp_path: Path) -> None:
    """A namespace is pinned on a file, which is a target then, and unpinned."""
    path = str(tmp_path / "pin")

    def use() -> None:
        own = os.readlink("/proc/self/ns/mnt")
        done = pynamespaces("pin", str(target.pid), "net", path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert mounted_at(path) == [os.readlink(f"/proc/{target.pid}/ns/net")]
        plain = json.loads(pynamespaces("show", path, "--json").stdout)
        (shown,) = plain["namespaces"]
        assert f"net:[{shown['ns']}]" == mounted_at(path)[0]
        assert [os.path.basename(pin["path"]) for pin in shown["pins"]] == ["pin"]
        check_refusal(pynamespaces("pin", str(target.pid), "uts", path), 1, "exists")
        assert pynamespaces("unpin", path).returncode == 0
        assert not os.path.exists(path)
        check_refusal(pynamespaces("unpin", path), 1, path)
        assert os.readlink("/proc/self/ns/mnt") == own

    in_own_mounts(tmp_path, use)


@powerful
def test_pin_of_another_type(target: Holder, tmp_path: Path) -> None:
    """A file that is one namespace is of no other type; nothing is made."""
    link = f"/proc/{target.pid}/ns/net"
    path = str(tmp_path / "pin")
    check_refusal(pynamespaces("pin", link, "uts", path), 1, "uts", "net")
    assert not os.path.exists(path)


@powerful
def test_netns() -> None:
    """Names are created, listed and deleted as ``ip netns`` does."""
    program("ip")

    def use() -> None:
        assert pynamespaces("netns", "list").stdout == ""
        assert json.loads(pynamespaces("netns", "list", "--json").stdout) == {
            "names": []
        }
        assert pynamespaces("netns", "create", "blue", "--loopback").returncode == 0
        assert pynamespaces("netns", "create", "red").returncode == 0
        assert ip_names() == ["blue", "red"]
        assert "UP" in ip("-netns", "blue", "link", "show", "lo")
        assert "DOWN" in ip("-netns", "red", "link", "show", "lo")
        head, *rows = [
            line.split() for line in pynamespaces("netns", "list").stdout.splitlines()
        ]
        assert head == ["NAME", "NS", "STATE"]
        assert [(row[0], row[2]) for row in rows] == [("blue", "ok"), ("red", "ok")]
        assert int(rows[0][1]) == os.stat("/run/netns/blue").st_ino
        found = pynamespaces("list", "--type", "net", "-o", "ns,name").stdout
        assert [rows[0][1], "blue"] in [line.split() for line in found.splitlines()]
        check_refusal(pynamespaces("netns", "create", "red"), 1, "red")
        assert pynamespaces("netns", "delete", "red").returncode == 0
        check_refusal(pynamespaces("netns", "delete", "red"), 1, "red")
        assert NetNamespace.names() == ["blue"]

    in_own_run(use)


@powerful
def test_stale_name() -> None:
    """A name without a namespace is listed with why."""

    def use() -> None:
        Path("/run/netns").parent.mkdir(exist_ok=True)
        leave("file")
        done = pynamespaces("netns", "list")
        assert done.returncode == 0
        assert done.stdout.splitlines()[1].split()[:2] == ["blue", "-"]
        (row,) = json.loads(pynamespaces("netns", "list", "--json").stdout)["names"]
        assert row["ns"] is None
        assert row["error"]
        assert pynamespaces("netns", "delete", "blue").returncode == 0

    in_own_run(use)


def test_without_power(tmp_path: Path) -> None:
    """Whoever may not is told so in one line, and nothing is left."""
    if TIER != "plain":
        pytest.skip("whoever has power may")
    path = tmp_path / "pin"
    check_refusal(pynamespaces("pin", str(os.getpid()), "net", str(path)), 1)
    assert not path.exists()
    check_refusal(pynamespaces("netns", "create", "no-such-name"), 1)
