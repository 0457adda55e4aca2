"""Uts namespaces: host and domain name, without going there."""

from .. import _core
from .._namespace import Namespace
from .._types import NamespaceType


class UtsNamespace(Namespace, type=NamespaceType.UTS):
    """
    A uts namespace: host and domain name (:manpage:`uts_namespaces(7)`).

    A helper task reads and sets the names; no thread is moved. Names are at most 64
    bytes, and what is not UTF-8 in them is kept as ``os.fsdecode`` keeps it. A caller
    without power over the namespace is refused (`NamespacePermissionError`).
    """

    __slots__ = ()

    @property
    def hostname(self) -> str:
        """The host name; see :manpage:`sethostname(2)`."""
        with self._hold() as fd:
            return _core.elsewhere.read_names(fd).host

    @hostname.setter
    def hostname(self, name: str) -> None:
        encoded = _core.create.name_bytes(name)
        with self._hold() as fd:
            _core.elsewhere.write_name(fd, encoded, is_domain=False)

    @property
    def domainname(self) -> str:
        """The NIS domain name; see :manpage:`setdomainname(2)`."""
        with self._hold() as fd:
            return _core.elsewhere.read_names(fd).domain

    @domainname.setter
    def domainname(self, name: str) -> None:
        encoded = _core.create.name_bytes(name)
        with self._hold() as fd:
            _core.elsewhere.write_name(fd, encoded, is_domain=True)
