"""The thin layer: one call each."""

import os
from contextlib import closing

from operations import POWER, Attempt, operation
from support import identity, own

from pynamespaces import Namespace, lowlevel


@operation("lowlevel.pidfd_open, pidfd_get_namespace")
def by_pidfd(attempt: Attempt) -> None:
    """Ask a pidfd."""
    with attempt.failing() as stack:
        pidfd = lowlevel.pidfd_open(os.getpid())
        stack.callback(os.close, pidfd)
        fd = lowlevel.pidfd_get_uts_namespace(pidfd)
        stack.callback(os.close, fd)
    if attempt.worked:
        assert identity(fd) == own("uts")


@operation("lowlevel.ns_get_*")
def asking(attempt: Attempt) -> None:
    """Ask a namespace file."""
    with closing(Namespace.current("net")) as net:
        with attempt.failing():
            facts = (lowlevel.ns_get_nstype(net), lowlevel.ns_get_id(net))
        if attempt.worked:
            assert facts == (lowlevel.CLONE_NEWNET, net.id.unique)


@operation("lowlevel.unshare, setns", *POWER)
def there_and_back(attempt: Attempt) -> None:
    """Move by single calls; each is all or nothing."""
    with (
        closing(Namespace.current("uts")) as home,
        closing(Namespace.new("uts")) as new,
    ):
        with attempt.failing(apart_from=("threads",)):
            lowlevel.setns(new, lowlevel.CLONE_NEWUTS)
            lowlevel.setns(home, lowlevel.CLONE_NEWUTS)
        lowlevel.setns(home, lowlevel.CLONE_NEWUTS)


@operation("lowlevel.clone3")
def cloning(attempt: Attempt) -> None:
    """Fork into fresh ones."""
    with attempt.failing() as stack:
        pid, pidfd = lowlevel.clone3(lowlevel.CLONE_NEWUSER | lowlevel.CLONE_NEWUTS)
        if pid == 0:
            os._exit(7)
        stack.callback(os.close, pidfd)
    if attempt.worked:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
