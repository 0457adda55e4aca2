"""The examples of the explanation pages do what they say."""

import doctest
from typing import Final

import pytest
from provoking import need_own_user
from test_docs_starting import PAGES

EXPLANATION: Final = PAGES.parent / "explanation"

TYPED_IN: Final = ("identity", "who-may-enter")
"""The pages that are typed in from the first line to the last."""


@pytest.mark.parametrize("page", TYPED_IN)
def test_examples(page: str) -> None:
    """A page, typed in line by line, shows what it says."""
    need_own_user()
    text = (EXPLANATION / f"{page}.md").read_text()
    test = doctest.DocTestParser().get_doctest(text, {}, page, None, None)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0
