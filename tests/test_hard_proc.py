"""Inside a tree whose ``/proc`` is missing, another's or a trap, on any kernel."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from old_kernels import KERNELS, on_old
from provoking import another_process, bind, hide_proc, mount, own_mounts
from support import identity, in_child
from targets import POWER, fresh, in_thread
from watching import Tasks

from pynamespaces import Namespace, NamespaceSet, TypeLike, lowlevel, unshared

Runs = Callable[[Callable[[], None]], None]

LINKS: tuple[TypeLike, ...] = ("uts", "net", "ipc", "cgroup")
KERNEL = pytest.mark.parametrize("kernel", list(KERNELS))
PROC = pytest.mark.parametrize("proc", ["missing", "foreign", "planted"])
RUN = pytest.mark.parametrize("run", [in_child, in_thread])


def show_foreign_proc() -> None:
    """Have a ``/proc`` that numbers processes as another pid namespace does."""
    own_mounts()
    lowlevel.unshare(lowlevel.CLONE_NEWPID)
    in_child(lambda: mount("proc", "/proc", "proc"))


def plant_proc(folder: Path, namespaces: NamespaceSet) -> None:
    """Have a ``/proc`` of our own making, where threads seem to be elsewhere."""
    own_mounts()
    mount("none", str(folder), "tmpfs")
    for name in ("thread-self", "self"):
        (folder / name / "ns").mkdir(parents=True)
        for type, namespace in namespaces.items():
            (file := folder / name / "ns" / type).touch()
            bind(f"/proc/self/fd/{namespace.fileno()}", str(file))
    bind(str(folder), "/proc")


@contextmanager
def tree(proc: str, folder: Path, planted: NamespaceSet) -> Iterator[Namespace]:
    """Open a mount namespace whose ``/proc`` is as named."""
    prepare: dict[str, Callable[[], None]] = {
        "missing": hide_proc,
        "foreign": show_foreign_proc,
        "planted": lambda: plant_proc(folder, planted),
    }
    with (
        another_process(prepare[proc]) as pid,
        closing(Namespace.from_pid(pid, "mnt")) as namespace,
    ):
        yield namespace


@contextmanager
def some_planted() -> Iterator[NamespaceSet]:
    """Open namespaces where nobody is to come."""
    with unshared(*LINKS) as planted:
        copies = NamespaceSet(Namespace.from_fd(one) for one in planted.values())
    with closing(copies):
        yield copies


@POWER
@KERNEL
@PROC
@RUN
def test_nested(kernel: str, proc: str, run: Runs, tmp_path: Path) -> None:
    """A thread that has used the library enters from within, and comes back right."""

    def visit() -> None:
        Namespace.current("uts").close()
        with Tasks() as tasks:
            before = tasks.state()
            with mnt.enter(unshare_fs=True):
                inside = tasks.state()
                with uts:
                    assert tasks.identity("uts") == identity(uts.fileno())
                    with Namespace.current("uts") as current:
                        assert identity(current.fileno()) == identity(uts.fileno())
                assert tasks.state() == inside
                with NamespaceSet([uts, net]):
                    assert tasks.identity("uts") == identity(uts.fileno())
                    assert tasks.identity("net") == identity(net.fileno())
                assert tasks.state() == inside
                with unshared("uts", "net") as made:
                    assert tasks.identity("uts") == identity(made["uts"].fileno())
                    assert tasks.identity("net") == identity(made["net"].fileno())
                assert tasks.state() == inside
            assert tasks.state() == before

    with (
        some_planted() as planted,
        tree(proc, tmp_path, planted) as mnt,
        fresh("uts") as uts,
        fresh("net") as net,
    ):
        on_old(kernel, lambda: run(visit))


@POWER
@KERNEL
@PROC
def test_first_use_inside(kernel: str, proc: str, tmp_path: Path) -> None:
    """A thread that uses the library there first is refused rather than misled."""

    def visit() -> None:
        with Tasks() as tasks:
            lowlevel.unshare(lowlevel.CLONE_FS)
            lowlevel.setns(mnt)
            before, entered = tasks.state(), 0
            for namespace in (uts, *planted.values()):
                try:
                    with namespace:
                        # Not: "is there already", as the planted links have it.
                        link = namespace.type
                        entered += 1
                        assert tasks.identity(link) == identity(namespace.fileno())
                except FileNotFoundError:
                    pass
                assert tasks.state() == before
            # Where the kernel has the requests, no /proc is needed.
            assert entered == (0 if kernel != "6.17" else 1 + len(planted))

    with (
        some_planted() as planted,
        tree(proc, tmp_path, planted) as mnt,
        fresh("uts") as uts,
    ):
        on_old(kernel, lambda: in_thread(visit))
