"""Network namespaces: their sockets, without going there, and their names."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from .. import _core
from .._namespace import Namespace
from .._types import NamespaceType
from ..errors import NamespaceError
from ..lowlevel._arguments import Descriptor

if TYPE_CHECKING:
    import socket as socket_module
    from types import EllipsisType

    from .._core.sockets import Address, Resolver, SocketAddress

_NET = (NamespaceType.NET,)


class NetNamespace(Namespace, type=NamespaceType.NET):
    """
    A network namespace: its own network stack (:manpage:`network_namespaces(7)`).

    A socket belongs to the namespace where it was made, for good, whichever thread
    uses it: `socket`, `create_connection` and `create_server` make them here, for
    callers that are anywhere, with threads or in an event loop.
    """

    __slots__ = ()

    def socket(
        self, family: int | None = None, type: int | None = None, proto: int = 0
    ) -> socket_module.socket:
        """
        Make a socket in this namespace; no thread is moved.

        A helper task makes it. A caller without power over the namespace makes it as
        root of the user namespace that owns it, if it made that one: an ordinary user
        has raw and netlink sockets in a network of its own. See :manpage:`socket(2)`.

        Args:
            family: As of ``socket.socket``: AF_INET if not given.

            type: As of ``socket.socket``: SOCK_STREAM if not given.

            proto: As of ``socket.socket``.

        Raises:
            OSError: As ``socket.socket``.

            NamespacePermissionError: The caller may not enter, or not have such a
                socket.
        """
        if family is None:
            family = _core.sockets.AF_INET
        if type is None:
            type = _core.sockets.SOCK_STREAM
        with self._hold() as fd:
            return _core.sockets.make(fd, family, type, proto)

    def create_connection(
        self,
        address: Address,
        timeout: float | EllipsisType | None = ...,
        source_address: Address | None = None,
        *,
        all_errors: bool = False,
        getaddrinfo: Resolver | None = None,
    ) -> socket_module.socket:
        """
        Connect from this namespace to an address; no thread is moved.

        As ``socket.create_connection``: the addresses of the name are tried in turn,
        and the last error is raised. See :manpage:`connect(2)`.

        The name is looked up where the *caller* is, by ``socket.getaddrinfo``: with the
        resolver's configuration (``/etc/resolv.conf``, ``/etc/hosts``,
        ``/etc/nsswitch.conf``) of the calling thread's mount namespace, and asking
        servers through its network namespace. ``/etc/netns/NAME`` is not looked at.
        To have it looked up otherwise, give *getaddrinfo*, or an address.

        Args:
            address: Host and port.

            timeout: In seconds, for each attempt; ``None`` to wait as long as it takes;
                if not given, ``socket.getdefaulttimeout``.

            source_address: Host and port to connect from.

            all_errors: Raise the errors of all attempts, as an ExceptionGroup.

            getaddrinfo: What looks the name up, in place of ``socket.getaddrinfo``,
                with its arguments and result.

        Raises:
            OSError: No address could be connected to.

            TimeoutError: The last one did not answer in time.

            NamespacePermissionError: The caller may not enter the namespace.
        """
        with self._hold() as fd:
            return _core.sockets.connect(
                fd,
                address,
                timeout,
                source_address,
                getaddrinfo,
                all_errors=all_errors,
            )

    def create_server(
        self,
        address: SocketAddress | Address,
        *,
        family: int | None = None,
        backlog: int | None = None,
        reuse_port: bool = False,
        dualstack_ipv6: bool = False,
    ) -> socket_module.socket:
        """
        Listen at an address of this namespace; no thread is moved.

        As ``socket.create_server``. A host name is looked up where the caller is. See
        :manpage:`listen(2)`.

        Args:
            address: Host, empty for all, and port, 0 for any.

            family: AF_INET if not given, or AF_INET6.

            backlog: How many connections may wait.

            reuse_port: Set SO_REUSEPORT.

            dualstack_ipv6: Take IPv4 as well; needs AF_INET6.

        Raises:
            OSError: As ``socket.create_server``.

            NamespacePermissionError: The caller may not enter the namespace.
        """
        with self._hold() as fd:
            return _core.sockets.serve(
                fd,
                address,
                family=_core.sockets.AF_INET if family is None else family,
                backlog=backlog,
                reuse_port=reuse_port,
                dualstack_ipv6=dualstack_ipv6,
            )

    @property
    def cookie(self) -> int:
        """
        The kernel's number of this namespace, which no other one is ever given.

        That of ``SO_NETNS_COOKIE`` (:manpage:`socket(7)`), as packet filters see it.
        Since Linux 5.14; since 6.18 the same as ``id.unique``.

        Raises:
            UnsupportedError: The kernel is older.

            NamespacePermissionError: The caller may not enter the namespace.
        """
        with self._hold() as fd:
            return _core.elsewhere.netns_cookie(fd)

    @classmethod
    def from_socket(cls, sock: Descriptor) -> NetNamespace:
        """
        Open the network namespace of a socket, of any family.

        See :manpage:`network_namespaces(7)`.

        Args:
            sock: A socket or its descriptor; it stays the caller's.

        Raises:
            NamespacePermissionError: The caller has no CAP_NET_ADMIN over it, and is
                not in it (which is known since Linux 5.14).
        """
        opened = _core.elsewhere.open_netns_of(sock, cls._adopt)
        return cast("NetNamespace", opened)

    @classmethod
    def create(cls, name: str, *, loopback: bool = False) -> NetNamespace:
        """
        Make a fresh network namespace with a name, as ``ip netns add`` does.

        The name is a file in ``/run/netns``, in the calling thread's mount namespace;
        it keeps the namespace until `delete`. The caller does not move. A file that a
        crash left there without a namespace is replaced. See :manpage:`ip-netns(8)`.

        Args:
            name: At most 255 bytes, without a slash.

            loopback: Bring ``lo`` up, which ``ip netns`` leaves down.

        Raises:
            NamespaceExistsError: The name is taken.

            NamespacePermissionError: The caller may not make namespaces or mounts.

            ValueError: It is no name.
        """
        plan = _core.create.Plan(_NET, loopback=loopback)
        fd = _core.registry.create(name, lambda: _core.create.fresh(plan, int)[0])
        try:
            return cast("NetNamespace", cls._adopt(fd))
        except BaseException:
            with suppress(NamespaceError):
                _core.registry.delete(name)
            raise

    @classmethod
    def from_name(cls, name: str) -> NetNamespace:
        """
        Open the network namespace with a name, of `create` or of ``ip netns add``.

        See :manpage:`ip-netns(8)`.

        Raises:
            NoSuchNamespaceError: There is no such name.

            NotANamespaceError: The name is stale: its namespace did not survive.

            ValueError: It is no name.
        """
        return cast("NetNamespace", cls._adopt(_core.registry.open_name(name)))

    @staticmethod
    def names() -> list[str]:
        """
        Return the names that there are, sorted, as ``ip netns list`` has them.

        They are those of the calling thread's mount namespace, stale ones too.
        """
        return _core.registry.names()

    @staticmethod
    def delete(name: str) -> None:
        """
        Remove a name, as ``ip netns delete`` does, in the thread's mount namespace.

        The namespace lives on while a process, socket or descriptor holds it. See
        :manpage:`umount(2)`.

        Raises:
            NoSuchNamespaceError: There is no such name.

            NamespacePermissionError: The caller may not unmount it.

            ValueError: It is no name.
        """
        _core.registry.delete(name)
