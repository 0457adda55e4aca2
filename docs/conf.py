"""How the documentation is built; ``nox -s docs`` does it."""

from importlib.metadata import version as installed

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from pynamespaces.process._place import Place

project = "pynamespaces"
copyright = "2026, the pynamespaces developers"
release = version = installed("pynamespaces")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["deflist"]
exclude_patterns = ["_build"]
html_theme = "furo"
default_role = "any"
manpages_url = "https://man7.org/linux/man-pages/man{section}/{page}.{section}.html"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"

# Everything of ours must resolve; what is Python's own has no inventory offline.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"(collections|contextlib|enum|os|typing|types|builtins)\..*"),
    ("py:class", r"(bool|bytes|int|str|object|tuple|type|dict|list|None|Self)"),
    ("py:exc", r"[A-Z]\w*(Error|Warning|Exception)"),
    (
        "py:(class|data|obj)",
        r".*\._[\w.]+|reach\.Path|Literal|TypeName|TypeLike|Descriptor|Path",
    ),
    (
        "py:(class|obj)",
        r"(Given|TracebackType|Callable|Iterable|Iterator|Mapping|EllipsisType)",
    ),
    ("py:(class|obj)", r"Resolver|Address|SocketAddress|Extent|socket_module\..*"),
    ("py:func", r"(os|sys)\..*"),
    (
        "any|py:(mod|class|exc)",
        r"(subprocess|asyncio|concurrent|contextvars|multiprocessing)(\..*)?",
    ),
    ("py:class", r"Args|File|Surroundings|Unpack|Process|StrOrBytesPath"),
    ("py:class", r"Clone3|Options"),
    ("py:class", r"How|Join|P|Places|(pynamespaces\.workers\.threads\.)?R"),
    ("py:class", r"(pynamespaces\.inventory\.records\.)?Item"),
    ("any", r"RecursionError"),
]

# Overloads that differ in the text of streams only: one signature says more.
_OVERLOADED = ["pynamespaces.process._popen", "pynamespaces.process._run"]
_OURS = ", ".join(f"{name}={x!r}" for name, x in Place.__init__.__kwdefaults__.items())
_SIGNATURES = {
    "pynamespaces.Popen.__init__": (f"(args, *, {_OURS}, **options)", ""),
    "pynamespaces.run": (
        (
            "(args, *, input=None, capture_output=False, timeout=None, check=False, "
            "**options)"
        ),
        "CompletedProcess",
    ),
    "pynamespaces.check_output": (
        "(args, *, input=None, timeout=None, **options)",
        "str | bytes",
    ),
}


def _show_signature(_app: Sphinx, _what: str, name: str, *_: object) -> object:
    return _SIGNATURES.get(name)


def _keep_colons(
    _app: Sphinx,
    what: str,
    _name: str,
    _thing: object,
    _options: object,
    text: list[str],
) -> None:
    # Else napoleon takes what stands before a colon for a type.
    if what in ("attribute", "data", "property"):
        text[:0] = ["..", ""]


def setup(app: Sphinx) -> None:
    """Have programs shown with their arguments, and attributes as they are told."""
    for module in _OVERLOADED:
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()
    app.connect("autodoc-process-signature", _show_signature)
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)
