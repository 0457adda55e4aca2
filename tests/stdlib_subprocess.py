"""
The standard library's tests of `subprocess`, with our ``Popen`` in its place.

A program: its arguments are which share of the tests to run, of how many, and the types
of namespaces that each program gets fresh. It writes how each test went, as JSON.
"""

import ctypes
import functools
import importlib
import json
import os
import subprocess
import sys
import unittest
from contextlib import suppress
from typing import Final, TypedDict

import pynamespaces
from pynamespaces.process import _run

SUITE: Final = "test.test_subprocess"

_PR_SET_CHILD_SUBREAPER: Final = 36


class Outcome(TypedDict):
    """How a share of the tests went; a test is named by its class and method."""

    passed: list[str]
    skipped: dict[str, str]
    failed: dict[str, str]
    """With the last lines of what they say."""

    started: int
    """How many times the engine was asked to start a program."""


class Result(unittest.TestResult):
    """Tells apart by name the tests that pass, are skipped and fail."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome = Outcome(passed=[], skipped={}, failed={}, started=0)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Write down how a test went that is over."""
        super().stopTest(test)
        name = _name(test)
        for case, text in self.failures + self.errors:
            # What fails may be a part of a test.
            whole = getattr(case, "test_case", case)
            self.outcome["failed"].setdefault(_name(whole), text[-2000:])
        for case, reason in self.skipped:
            self.outcome["skipped"][_name(case)] = reason
        if name not in self.outcome["failed"] | self.outcome["skipped"]:
            self.outcome["passed"].append(name)


def _name(test: unittest.TestCase) -> str:
    return test.id().removeprefix(SUITE + ".")


def _replace(new: list[str]) -> None:
    """Put our class and functions in place of those of `subprocess`."""

    class Popen(pynamespaces.Popen[bytes]):
        # The same initialiser, but for what it does if nothing is said.
        __init__ = functools.partialmethod(pynamespaces.Popen.__init__, new=new)

    vars(subprocess).update(
        Popen=Popen, run=pynamespaces.run, check_output=pynamespaces.check_output
    )
    vars(_run).update(Popen=Popen)


def _cases(tests: unittest.TestSuite) -> list[unittest.TestCase]:
    found: list[unittest.TestCase] = []
    for test in tests:
        found += _cases(test) if isinstance(test, unittest.TestSuite) else [test]
    return found


def main(share: int, shares: int, new: list[str]) -> Outcome:
    """Run every so many-th test, from one on."""
    result = Result()

    def count(event: str, args: object) -> None:
        result.outcome["started"] += event == "pynamespaces.clone3"

    _replace(new)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    module = importlib.import_module(SUITE)
    cases = _cases(unittest.defaultTestLoader.loadTestsFromModule(module))
    sys.addaudithook(count)
    unittest.TestSuite(cases[share::shares]).run(result)
    with suppress(ChildProcessError):
        # The orphans that tests leave, and who inherits them would not expect.
        while os.waitpid(-1, 0):
            pass
    return result.outcome


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
