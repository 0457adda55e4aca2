"""How the documentation is built; ``nox -s docs`` does it."""

from importlib.metadata import version as installed

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
]
