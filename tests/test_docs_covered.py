"""Each page with an example is tested, and nothing that looks like one is left out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
DOCS: Final = TESTS.parent / "docs"

TYPED: Final = {
    "explanation/identity.md": "test_docs_explained.test_examples",
    "explanation/who-may-enter.md": "test_docs_explained.test_examples",
    "how-to/call-a-function.md": "test_docs_calling.test_all_are_tested",
    "how-to/cut-off-the-network.md": "test_docs_starting.test_all_are_tested",
    "how-to/find-namespaces.md": "test_docs_finding.test_all_are_tested",
    "how-to/know-why.md": "test_docs_why.test_all_are_tested",
    "how-to/many-machines-with-dask.md": "test_docs_dask.test_a_cluster",
    "how-to/name-and-keep.md": "test_docs_keeping.test_all_are_tested",
    "how-to/pid-namespace-with-an-init.md": "test_docs_starting.test_all_are_tested",
    "how-to/root-without-root.md": "test_docs_starting.test_all_are_tested",
    "how-to/run-in-a-container.md": "test_docs_starting.test_all_are_tested",
    "how-to/sockets-and-files.md": "test_docs_reaching.test_all_are_tested",
    "how-to/watch-namespaces.md": "test_docs_watching.test_all_are_tested",
    "tutorial/first-steps.md": "test_docs.test_tutorial",
}
"""Pages that are typed in line by line, and what sees to it that no part is missed."""

TYPED_IN_SHELL: Final = {
    "how-to/find-namespaces.md",
    "how-to/know-why.md",
    "how-to/name-and-keep.md",
    "how-to/watch-namespaces.md",
}
"""Those of them of which the commands are typed in too."""

RUN: Final = {
    ("explanation/calling.md", "python"): (1, "test_docs_shown.test_guard"),
    ("explanation/threads.md", "python"): (1, "test_docs_shown.test_threads"),
    ("how-to/test-networks.md", "python"): (6, "test_pytest_plugin.test_how_to"),
    ("index.md", "python"): (1, "test_docs_shown.test_first_page"),
    ("reference/cli.md", "console"): (3, "test_docs_shown.test_trace"),
    ("reference/what-works.rst", "python"): (1, "test_docs_shown.test_what_works"),
}
"""How many other blocks a page has in a language, and a test that runs them."""

BY_OTHERS: Final = {
    "coming-from": ("python", "test_docs_coming_from*.py"),
    "examples.md": ("console", "test_examples*.py"),
}
"""Of which tests read all blocks of a language by themselves."""

_FENCED: Final = re.compile(
    r"^(```+|~~~+) ?\{?([\w-]*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL
)
_DIRECTIVE: Final = re.compile(
    r"^( *)\.\. (?:code-block|code|sourcecode|prompt):: *([\w-]*)\n((?:\1 +.*\n|\n)+)",
    re.MULTILINE,
)
_LITERAL: Final = re.compile(r"^(?! *\.\. ).*(::)\n()\n((?: +.*\n|\n)+)", re.MULTILINE)
_DOCTEST: Final = re.compile(r"^()()( *>>> .*\n)", re.MULTILINE)

EXAMPLES: Final = ("python", "pycon", "python3", "py", "console", "doctest")
OTHERS: Final = ("", "include", "literalinclude", "sh", "text", "toctree")
"""What needs no test: pictures of letters, commands that install, and directives."""


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Return the blocks of a page, each with its language."""
    text = path.read_text()
    kinds = [_FENCED] if path.suffix == ".md" else [_DIRECTIVE, _LITERAL, _DOCTEST]
    for kind in kinds:
        for found in kind.finditer(text):
            yield found[2], found[3]


def pages() -> list[str]:
    """Return the pages that there are."""
    found = [*DOCS.rglob("*.md"), *DOCS.rglob("*.rst")]
    names = sorted(str(path.relative_to(DOCS)) for path in found)
    return [name for name in names if not name.startswith("_build")]


@pytest.mark.parametrize("page", pages())
def test_page(page: str) -> None:
    """Each block is typed in, or run, or in a language that has no examples."""
    by_others, _ = BY_OTHERS.get(page.partition("/")[0], (None, ""))
    found: dict[str, int] = {}
    for language, block in blocks(DOCS / page):
        assert language in (*EXAMPLES, *OTHERS), (page, language)
        assert language or ">>>" not in block, (page, block)
        if language == "console" and page in TYPED_IN_SHELL:
            # One command a block, or only the first would be typed in.
            assert len(re.findall(r"^\$ ", block, re.MULTILINE)) == 1, block
            assert block.startswith("$ "), block
        elif language in EXAMPLES and page in TYPED:
            assert language == "python", block
            assert block.startswith(">>> "), block
        elif language in EXAMPLES and language != by_others:
            found[language] = found.get(language, 0) + 1
    assert found == {
        language: count for (name, language), (count, _) in RUN.items() if name == page
    }


def test_tests() -> None:
    """The tests that are named here are there."""
    named = [*TYPED.values(), *(test for _, test in RUN.values())]
    for module, _, test in (name.partition(".") for name in {*named}):
        tree = ast.parse((TESTS / f"{module}.py").read_text())
        assert test in {x.name for x in tree.body if isinstance(x, ast.FunctionDef)}
    assert {*TYPED} >= TYPED_IN_SHELL
    assert {*TYPED, *(page for page, _ in RUN)} <= {*pages()}
    for _, pattern in BY_OTHERS.values():
        assert [*TESTS.glob(pattern)]
