"""
A network lab: three hosts in subnets of their own, and a router between them.

    python network_lab.py

Hosts and router are network namespaces that nobody is in. One host says something to
another by TCP, and a table tells how many hops it is from each to each. When the
program ends all is gone, and nothing outside has noticed.

Needs pyroute2 (``pip install pyroute2``) and user namespaces, but no root.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from pynamespaces import Namespace, NamespaceSet, NetNamespace

HOSTS = {"a": "10.0.1.1", "b": "10.0.2.1", "c": "10.0.3.1"}
PORT = 80


@contextmanager
def netlink(net: NetNamespace) -> Iterator[IPRoute]:
    """Have pyroute2 configure a network, without going there."""
    sock = net.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
    with IPRoute(fileno=sock.detach()) as ipr:
        yield ipr


def make(stack: ExitStack) -> dict[str, NetNamespace]:
    """Make the networks, which the stack closes; the router passes packets on."""
    # It gives an ordinary user the power to make the others, and to configure them.
    owner = stack.enter_context(closing(Namespace.new("user")))
    nets = {name: Namespace.new("net", owner=owner) for name in (*HOSTS, "router")}
    for net in nets.values():
        stack.callback(net.close)
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    NamespaceSet([owner, nets["router"]]).call(forward.write_text, "1")
    return nets


def plug_in(router: NetNamespace, host: NetNamespace, name: str, address: str) -> None:
    """Lay a cable from a host to the router, which is number 254 in each subnet."""
    gateway = address.rpartition(".")[0] + ".254"
    with netlink(router) as here, netlink(host) as there:
        peer = {"ifname": "eth0", "net_ns_fd": host.fileno()}
        here.link("add", ifname=name, kind="veth", peer=peer)
        for end, ifname, own in ((here, name, gateway), (there, "eth0", address)):
            [index] = end.link_lookup(ifname=ifname)
            end.link("set", index=index, state="up")
            end.addr("add", index=index, address=own, prefixlen=24)
        there.route("add", dst="default", gateway=gateway)


def hops(source: NetNamespace, address: str) -> str:
    """Return how many hops away an address is: the least TTL that gets there."""
    for ttl in (1, 2, 3):
        with source.socket() as client:
            client.settimeout(5)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            try:
                client.connect((address, PORT))
            except OSError:  # It was too old to be passed on, or there is no way.
                continue
            return str(ttl)
    return "-"


def main() -> None:
    """Build the lab, and try it."""
    with ExitStack() as stack:
        nets = make(stack)
        servers = {}
        for name, address in HOSTS.items():
            plug_in(nets["router"], nets[name], name, address)
            server = nets[name].create_server(("", PORT))
            servers[name] = stack.enter_context(server)
        with nets["a"].create_connection((HOSTS["c"], PORT)) as client:
            served, (peer, _) = servers["c"].accept()
            with served:
                client.sendall(b"hello")
                print(f"c hears from {peer}: {served.recv(5).decode()}")
        print("hops   ", *HOSTS)
        for source, net in nets.items():
            row = (
                "." if target == source else hops(net, address)
                for target, address in HOSTS.items()
            )
            print(f"{source:7}", *row)


if __name__ == "__main__":
    try:
        main()
    except (OSError, NetlinkError) as error:
        sys.exit(f"network_lab: there can be no lab here: {error}")
