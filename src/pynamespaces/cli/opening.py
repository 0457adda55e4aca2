"""Opening a TARGET, with failures that say which it was."""

from __future__ import annotations

from contextlib import closing

from .. import NamespaceSet
from ..errors import SystemCallError
from .failures import Failure, message_of
from .targets import Target, Types, open_target


def opened(target: Target, types: Types = ()) -> closing[NamespaceSet]:
    """
    Open the namespaces of a target; ``with`` closes them, and enters none.

    Raises:
        Failure: It is not there, or may not be looked into.
    """
    try:
        return closing(open_target(target, types))
    except SystemCallError as error:
        if error.filename is not None:
            raise
        raise Failure(f"{target}: {message_of(error)}", error.hint) from None
