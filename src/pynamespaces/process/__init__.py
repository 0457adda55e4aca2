"""
Programs started in namespaces, with the standard library's own interface.

What `subprocess` offers for all programs is here for those that join existing
namespaces or get fresh ones. See :manpage:`namespaces(7)`.
"""

from subprocess import CompletedProcess

from ._popen import Popen
from ._run import check_output, run

__all__ = ["CompletedProcess", "Popen", "check_output", "run"]
