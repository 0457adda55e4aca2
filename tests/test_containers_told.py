"""Containers told by cgroups: each pattern with a path as its engine has made it."""

import re
import time

import pytest

from pynamespaces._core.containers import (
    PATTERNS,
    Container,
    Pattern,
    of_cgroup,
    told,
)

ID = "2403ccfe427f1dc7b6120dccb9ac58c2f8456950380d587a9f33ea7f00dd303d"
OTHER = "5eed917563583925ffdbd40a64efb2aaffe58638e57add8becaf460fe74f5b1c"
POD = "kubepods-burstable-poda5c1f8d5_1919_434d_add7_4afaafdaef89.slice"
PODS = f"/kubepods.slice/kubepods-burstable.slice/{POD}"
USER = "/user.slice/user-1000.slice/user@1000.service/user.slice"
MACHINES = "/user.slice/user-1000.slice/user@1000.service/machine.slice"
NSPAWN = "systemd-nspawn"

TOLD = [
    # Docker: by systemd, of an ordinary user, for Kubernetes, by cgroupfs.
    (f"/system.slice/docker-{ID}.scope", "docker", ID),
    (f"{USER}/docker-{ID}.scope", "docker", ID),
    (f"{PODS}/docker-{ID}.scope", "docker", ID),
    (f"/docker/{ID}", "docker", ID),
    (f"/docker/{ID}/init.scope", "docker", ID),
    (f"/system.slice/containerd.service/system.slice:docker:{ID}", "docker", ID),
    (f"/actions_job/{ID}", "docker", ID),
    (f"/ecs/0410eff2-7e59-4111-823e-1e0d98ef7f30/{ID}", "docker", ID),
    (f"/ecs/main/c6e1aa7ba81d4b3ea8f4ad3fcb0bb1f1/{ID}", "docker", ID),
    # Podman: of root, of an ordinary user, in a pod, by cgroupfs, and --cgroups=split.
    (f"/machine.slice/libpod-{ID}.scope", "podman", ID),
    (f"/machine.slice/libpod-{ID}.scope/container", "podman", ID),
    (f"{USER}/libpod-{ID}.scope/container", "podman", ID),
    (f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope", "podman",
        ID),
    (f"/libpod_parent/libpod-{ID}", "podman", ID),
    (f"/libpod_parent/libpod-{ID}/ctr", "podman", ID),
    (f"/system.slice/web.service/libpod-payload-{ID}", "podman", ID),
    # cri-o: by systemd, by crun, by cgroupfs, where runc found no systemd.
    (f"{PODS}/crio-{ID}.scope", "cri-o", ID),
    (f"{PODS}/crio-{ID}.scope/container", "cri-o", ID),
    (f"/kubepods/burstable/poda5c1f8d5-1919-434d-add7-4afaafdaef89/crio-{ID}", "cri-o",
        ID),
    (f"/system.slice/crio.service/{POD}:crio:{ID}", "cri-o", ID),
    # containerd: for Kubernetes in both ways, for nerdctl, for its own client.
    (f"{PODS}/cri-containerd-{ID}.scope", "containerd", ID),
    (f"/system.slice/system-getty.slice/cri-containerd-{ID}.scope", "containerd", ID),
    (f"/system.slice/containerd.service/{POD}:cri-containerd:{ID}", "containerd", ID),
    (f"/kubepods/besteffort/pod3d6beaa3004913efb68ce073d73494b0/{ID}", "containerd",
        ID),
    (f"/kubepods/burstable/pod2c48913c-b29f-11e7-9350-020968147796/{ID}", "containerd",
        ID),
    (f"/system.slice/nerdctl-{ID}.scope", "containerd", ID),
    (f"/k8s.io/{ID}", "containerd", ID),
    (f"/default/{ID}", "containerd", ID),
    # systemd-nspawn: as a service, from a shell, of an ordinary user.
    ("/machine.slice/systemd-nspawn@debian.service/payload/init.scope", NSPAWN,
        "debian"),
    (r"/machine.slice/machine-TEST\x2d13\x2dNSPAWN.machinectl\x2dbind.7ye.scope/payload",
        NSPAWN, "TEST-13-NSPAWN.machinectl-bind.7ye"),
    (f"{MACHINES}/android-build.scope/payload", NSPAWN, "android-build"),
    # LXC: version 2, 3 and 4, Proxmox, an ordinary user's.
    ("/lxc/c1", "lxc", "c1"),
    ("/lxc.payload/c1/init.scope", "lxc", "c1"),
    ("/lxc.payload.node-ct", "lxc", "node-ct"),
    ("/lxc/101/ns/init.scope", "lxc", "101"),
    ("/user/1000.user/1.session/lxc/u1", "lxc", "u1"),
    # Nested: the innermost.
    (f"/system.slice/docker-{OTHER}.scope/docker/{ID}", "docker", ID),
    (f"/docker/{OTHER}/docker/{ID}", "docker", ID),
    (f"/docker/{OTHER}/kubepods/besteffort/poddaa5c7ee-3484-4533-af39-3591564fd03e/{ID}",
        "containerd", ID),
    (f"/docker/{OTHER}/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{ID}.scope",
        "containerd", ID),
    (f"/lxc.payload.c1/system.slice/docker-{ID}.scope", "docker", ID),
    (f"/docker/{OTHER}/lxc/c1", "lxc", "c1"),
    (f"/lxc/docker/{ID}", "docker", ID),
    # As seen from another container's cgroup namespace.
    (f"/../../docker/{ID}", "docker", ID),
    (f"/../crio-{ID}.scope", "cri-o", ID),
    (f"/../../pod2c48913c-b29f-11e7-9350-020968147796/{ID}", "containerd", ID),
    # All processes of it have ended, but are not yet waited for.
    (f"/system.slice/docker-{ID}.scope (deleted)", "docker", ID),
]  # fmt: skip

NOT_TOLD = [
    "/",
    "/init.scope",
    "/user.slice/user-1000.slice/session-3.scope",
    "/system.slice/containerd.service",
    "/system.slice/docker.service",
    # Who watches a container is not inside.
    f"/machine.slice/libpod-conmon-{ID}.scope",
    f"{USER}/libpod-conmon-{ID}.scope",
    f"/libpod_parent/libpod-{ID}/conmon",
    "/libpod_parent/conmon",
    f"{PODS}/crio-conmon-{ID}.scope",
    "/machine.slice/systemd-nspawn@debian.service/supervisor",
    "/machine.slice/machine-debian.scope/supervisor",
    "/lxc.monitor/c1",
    "/lxc.monitor.c1",
    "/lxc.pivot",
    # A virtual machine.
    r"/machine.slice/machine-qemu\x2d5\x2dwin10.scope/libvirt/emulator",
    # All of a pod, or of a slice, and no container.
    f"{PODS}",
    f"/machine.slice/machine-libpod_pod_{ID}.slice",
    # Only like an id.
    f"/docker/{ID}0",
    f"/docker/{ID[1:]}",
    f"/docker/{ID.upper()}",
    f"/dockers/{ID}",
    f"/system.slice/my-docker-{ID}.scope",
    f"/system.slice/docker-{ID}.scope.d",
    # What runc alone has made may be called anything.
    "/web",
    f"/{ID}",
]


@pytest.mark.parametrize(("path", "engine", "id"), TOLD)
def test_told(path: str, engine: str, id: str) -> None:
    """A container is told by the path of its engine, in either version of cgroups."""
    assert of_cgroup(f"0::{path}\n".encode()) == Container(engine, id)
    first = f"12:net_cls,net_prio:{path}\n1:name=systemd:{path}\n0::/\n"
    assert of_cgroup(first.encode()) == Container(engine, id)


@pytest.mark.parametrize("path", NOT_TOLD)
def test_not_told(path: str) -> None:
    """What is no container is not taken for one, nor what watches it."""
    assert of_cgroup(f"0::{path}\n".encode()) is None


def _tells(pattern: Pattern, path: str) -> bool:
    whole = rb"/(?=(?:" + pattern.path + rb")(?![^/]))"
    return re.search(whole, path.removesuffix(" (deleted)").encode()) is not None


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pattern_is_tested(pattern: Pattern) -> None:
    """Of each pattern there is a path that no other tells."""
    others = [other for other in PATTERNS if other is not pattern]
    assert any(
        engine == pattern.engine
        and _tells(pattern, path)
        and not any(_tells(other, path) for other in others)
        for path, engine, _ in TOLD
    )


def test_hierarchies_differ() -> None:
    """Where only some hierarchies tell of a container, or of more, these count."""
    docker = f"12:pids:/docker/{ID}\n10:rdma:/\n0::/system.slice/containerd.service\n"
    assert of_cgroup(docker.encode()) == Container("docker", ID)
    inner = f"2:cpu:/lxc/c1\n1:name=systemd:/lxc/c1/system.slice/docker-{ID}.scope\n"
    assert of_cgroup(inner.encode()) == Container("docker", ID)
    # The supervisor is in the scope itself, where that is not systemd's own hierarchy.
    scope = "/machine.slice/machine-debian.scope"
    assert of_cgroup(
        f"4:memory:{scope}\n1:name=systemd:{scope}/supervisor\n".encode()
    ) is (None)
    payload = f"4:memory:{scope}\n1:name=systemd:{scope}/payload\n"
    assert of_cgroup(payload.encode()) == Container(NSPAWN, "debian")


def test_place() -> None:
    """The path ends with the cgroup that is called after the container."""
    text = f"0::/a/docker-{ID}.scope/b/c\n".encode()
    found = told(text)
    assert found is not None
    assert found.place == f"/a/docker-{ID}.scope".encode()
    found = told(f"0::/docker/{ID}/lxc/c1/docker\n".encode())
    assert found is not None
    assert found.place == f"/docker/{ID}/lxc/c1".encode()


def test_any_bytes() -> None:
    """Users may call a cgroup anything but with a slash or newline."""
    found = of_cgroup(b"0::/lxc/a\xff\r\x1b[31m b\n")
    assert found == Container("lxc", "a\udcff\r\x1b[31m b")
    assert of_cgroup(f"0::/a:b/docker/{ID}\n".encode()) == Container("docker", ID)
    for text in (b"", b"\n", b"0", b"0:", b"0::", b"::", b"0::\n\n", b"no cgroups"):
        assert of_cgroup(text) is None


HOSTILE = [
    b"/a" * 2047,
    b"/" * 4095,
    b"/ecs/x" * 682,
    b"/ecs" + (b"/" + b"e" * 254) * 16,
    (b"/" + b":docker:" * 31) * 16,
    (b"/machine-" + b".scope" * 40) * 16,
    (b"/machine.slice/x.scope/payloa") * 140,
    (b"/docker/" + b"a" * 63) * 57,
    (b"/libpod-payload-" + b"a" * 65) * 50,
    (b"/pod" + b"-" * 36) * 102,
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile(path: bytes) -> None:
    """The longest of paths, in all hierarchies, takes no longer than reading it."""
    lines = [b"%d:name=%d:/%d%s\n" % (i, i, i, path[:4080]) for i in range(13)]
    text = b"".join(lines)
    before = time.process_time()
    of_cgroup(text)
    # In fact three milliseconds; a search that goes back and forth takes minutes.
    assert time.process_time() - before < 0.5
