"""What is asked of namespaces, fetched from there, and found."""

import os
import socket
from contextlib import closing

from holding import holder
from operations import POWER, Attempt, operation
from support import identity, own

import pynamespaces
from pynamespaces import (
    MountNamespace,
    Namespace,
    NamespaceSet,
    NetNamespace,
    TimeNamespace,
    UtsNamespace,
)


@operation("MountNamespace.open")
def opening(attempt: Attempt) -> None:
    """Open a file there."""
    with closing(NamespaceSet.new("user", "mnt")) as both:
        mnt = both["mnt"]
        assert isinstance(mnt, MountNamespace)
        with attempt.failing(OSError) as stack:
            fd = mnt.open("/proc/sys/kernel/ostype")
            stack.callback(os.close, fd)
        if attempt.worked:
            assert os.read(fd, 5) == b"Linux"


@operation("MountNamespace.mounts")
def mounts(attempt: Attempt) -> None:
    """List the mounts there."""
    with closing(NamespaceSet.new("user", "mnt")) as both:
        mnt = both["mnt"]
        assert isinstance(mnt, MountNamespace)
        with attempt.failing():
            found = mnt.mounts()
        if attempt.worked:
            assert "/" in {each.path for each in found}


@operation("NetNamespace.socket, cookie, from_socket")
def sockets(attempt: Attempt) -> None:
    """Fetch a socket from there."""
    with closing(NamespaceSet.new("user", "net")) as both:
        net = both["net"]
        assert isinstance(net, NetNamespace)
        with attempt.failing(OSError) as stack:
            made = stack.enter_context(net.socket(socket.AF_INET, socket.SOCK_STREAM))
            cookie = net.cookie
        if attempt.worked:
            value = made.getsockopt(socket.SOL_SOCKET, 71, 8)
            assert int.from_bytes(value, "little") == cookie


@operation("NetNamespace.from_socket", *POWER)
def of_socket(attempt: Attempt) -> None:
    """Open the one that a socket is of."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with attempt.failing() as stack:
            found = stack.enter_context(closing(NetNamespace.from_socket(sock)))
        if attempt.worked:
            assert identity(found.fileno()) == own("net")


@operation("NetNamespace.create_server, create_connection")
def connections(attempt: Attempt) -> None:
    """Serve and connect there."""
    with closing(NamespaceSet.new("user", "net")) as both:
        net = both["net"]
        assert isinstance(net, NetNamespace)
        with attempt.failing(OSError) as stack:
            server = stack.enter_context(net.create_server(("127.0.0.1", 0)))
            address = server.getsockname()
            client = stack.enter_context(net.create_connection(address, timeout=5))
        if attempt.worked:
            assert client.getpeername() == address


@operation("UtsNamespace.hostname")
def hostname(attempt: Attempt) -> None:
    """Read and set the names there."""
    with closing(NamespaceSet.new("user", "uts")) as both:
        uts = both["uts"]
        assert isinstance(uts, UtsNamespace)
        with attempt.failing():
            uts.hostname = "within"
            name = uts.hostname
        if attempt.worked:
            assert name == "within"
            assert os.uname().nodename != "within"


@operation("TimeNamespace.offsets")
def offsets(attempt: Attempt) -> None:
    """Read the clocks there."""
    with closing(
        NamespaceSet.new("user", "time", time_offsets={"boottime": 5})
    ) as both:
        time = both["time"]
        assert isinstance(time, TimeNamespace)
        with attempt.failing():
            found = time.offsets
        if attempt.worked:
            assert found["boottime"] == 5


@operation("PidNamespace.pid_here, pid_inside, parent", *POWER)
def pids(attempt: Attempt) -> None:
    """Ask what a process is called elsewhere."""
    with holder("pid") as other, closing(Namespace.from_pid(other.pid, "pid")) as pid:
        with attempt.failing() as stack:
            here, inside = pid.pid_here(1), pid.pid_inside(other.pid)
            parent = stack.enter_context(closing(pid.parent()))
        if attempt.worked:
            assert (here, inside) == (other.pid, 1)
            assert identity(parent.fileno()) == own("pid")


@operation("scan")
def scanning(attempt: Attempt) -> None:
    """Find a namespace among all others."""
    with holder("user", "net") as other:
        net = identity(f"/proc/{other.pid}/ns/net")
        with attempt.failing():
            found = pynamespaces.scan()
        if attempt.worked:
            # What could not be read is told, and all that could is there.
            seen = {(each.id.dev, each.id.ino) for each in found.namespaces("net")}
            assert net in seen or found.unreadable, "neither found nor told"


@operation("support")
def supporting(attempt: Attempt) -> None:
    """Try what works."""
    with attempt.failing():
        found = pynamespaces.support()
    if attempt.worked:
        assert len(list(found)) > 10


@operation("explain")
def explaining(attempt: Attempt) -> None:
    """Try where one could go."""
    with holder("user", "net") as other:
        with attempt.failing():
            found = pynamespaces.explain(other.pid, "net")
        if attempt.worked:
            assert found is not None
