"""
Who listens, in every network of the machine: an ss(8) that knows containers.

    python container_ss.py

Each TCP and UDP socket that waits for others is a line: which network it is in, where
it listens, and which process has it, of which container. Root sees all. Anybody else
sees the networks that they may enter. What was not to be seen is said at the end.
"""

import os
import socket
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from pynamespaces import Inventory, Namespace, NamespaceRecord, NetNamespace, scan

# From <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>, <net/tcp_states.h>.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, DUMP, ERROR, DONE = 4, 20, 0x301, 2, 3
REQUEST, ANSWER = struct.Struct("=IHHIIBBBxI48x"), struct.Struct("=IH14x2s2x16s44xI")
# The states in which sockets wait for others.
LISTEN, CLOSE = 1 << 10, 1 << 7
KINDS = (("tcp", socket.IPPROTO_TCP, LISTEN), ("udp", socket.IPPROTO_UDP, CLOSE))


def listening(net: NetNamespace) -> Iterator[tuple[str, str, int]]:
    """Ask a network for its sockets, as ss does: kind, address and inode of each."""
    for kind, protocol, states in KINDS:
        for family in (socket.AF_INET, socket.AF_INET6):
            asked = (SOCK_DIAG_BY_FAMILY, DUMP, 0, 0, family, protocol, 0, states)
            # The socket is made over there; this thread stays where it is.
            sock = net.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
            with sock:
                sock.send(REQUEST.pack(REQUEST.size, *asked))
                for place, inode in answers(sock, family):
                    yield kind, place, inode


def answers(sock: socket.socket, family: int) -> Iterator[tuple[str, int]]:
    """Read what the kernel answers, up to its end."""
    while True:
        data = sock.recv(1 << 16)
        while data:
            length, type = struct.unpack_from("=IH", data)
            if type == DONE:
                return
            if type == ERROR:
                [number] = struct.unpack_from("=i", data, 16)
                raise OSError(-number, os.strerror(-number))
            _, _, port, address, inode = ANSWER.unpack_from(data)
            size = 4 if family == socket.AF_INET else 16
            host = socket.inet_ntop(family, address[:size])
            host = host if size == 4 else f"[{host}]"
            yield f"{host}:{int.from_bytes(port)}", inode
            data = data[(length + 3) & ~3 :]


def opened(record: NamespaceRecord) -> NetNamespace:
    """Open a network by whatever keeps it."""
    places = [f"/proc/{pid}/ns/net" for pid in (*record.processes, *record.threads)]
    places += [f"/proc/{pid}/fd/{fd}" for pid, fd in record.descriptors]
    for place in (*places, *(pin.path for pin in record.pins)):
        with suppress(OSError):
            net = Namespace.from_path(place, "net")
            if net.id == record.id:
                return net
            net.close()
    raise FileNotFoundError("it is nowhere to be opened")


def owners() -> dict[int, list[int]]:
    """Return which processes have which sockets, by inode."""
    found: dict[int, list[int]] = defaultdict(list)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            kind, _, inode = os.readlink(link).partition(":")
            if kind == "socket":
                found[int(inode.strip("[]"))].append(int(link.parts[2]))
    return found


def told(machine: Inventory, pids: list[int]) -> str:
    """Return what processes are called, and their container."""
    known = [process for pid in pids if (process := machine.process(pid))]
    # Who chooses its name could write to the terminal, if it were not quoted.
    names = ",".join(f"{process.name!r}/{process.pid}" for process in known)
    containers = {c.name or c.id[:12] for process in known if (c := process.container)}
    return f"{names or '?':24} {','.join(containers) or '-'}"


def main() -> None:
    """Print the table."""
    machine, pids = scan("net"), owners()
    print(f"{'NETWORK':11} {'':3} {'ADDRESS':21} {'PROCESSES':24} CONTAINER")
    for record in machine.namespaces("net"):
        network = record.name or record.id.ino
        try:
            with closing(opened(record)) as net:
                for kind, place, inode in listening(net):
                    who = told(machine, pids.get(inode, []))
                    print(f"{network:<11} {kind} {place:21} {who}")
        except OSError as error:
            print(f"not seen: network {network}: {error}", file=sys.stderr)
    if machine.unreadable:
        first, count = machine.unreadable[0], len(machine.unreadable)
        print(f"not seen: {count}, as {first.what}: {first.reason}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"container_ss: nothing can be seen here: {error}")
