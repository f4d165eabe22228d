"""How Sphinx builds these documents: `make docs`, into build/docs, without the network."""

from __future__ import annotations

import re
from typing import Any

import flowkit

project = "flowkit"
author = "the flowkit authors"
release = flowkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
# Quotes and `--` are shown as they are typed.
smartquotes = False
default_role = "literal"

# A heading is a target, so that a link to one is checked like any other.
myst_heading_anchors = 3
# Directives stand between colons: a page reads well without Sphinx, and fences are left to blocks that are run.
myst_enable_extensions = ["colon_fence"]

autodoc_typehints = "signature"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"flowkit {flowkit.__version__}"
html_show_sourcelink = False
html_show_copyright = False

_MARKUP = re.compile(r"(`|(?<!^)(?:[*|]|_(?!\w)|\\))")


def setup(app: Any) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect("source-read", _add_the_rest)
    app.connect("autodoc-process-signature", _name_parameters)
    for part in ("description", "epilog", "options"):
        app.connect(f"sphinx-click-process-{part}", _escape)


def _add_the_rest(app: Any, page: str, source: list[str]) -> None:
    """List public names that no section of the page of names has, so that none is ever missing."""
    if page != "reference/api":
        return
    listed = [_directive(name) for name in flowkit.__all__ if not re.search(rf":: flowkit\.{name}\b", source[0])]
    if listed:
        source[0] += "\nMore\n----\n\n" + "\n".join(listed)


def _directive(name: str) -> str:
    value = getattr(flowkit, name)
    if isinstance(value, type):
        kind = "exception" if issubclass(value, BaseException) else "class"
        return f".. auto{kind}:: flowkit.{name}\n   :members:\n"
    return f".. auto{'function' if callable(value) else 'data'}:: flowkit.{name}\n"


def _name_parameters(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Write the parameters that a function passes on as they are written in the code; autodoc's text is no Python."""
    if signature is not None:
        signature = signature.replace("*args: ~typing.~P", "*args: P.args").replace(
            "*kwargs: ~typing.~P", "*kwargs: P.kwargs"
        )
        signature = signature.replace("[~P,", "[P,")
    return signature, returned


def _escape(app: Any, context: Any, lines: list[str]) -> None:
    """Show a command's help as its author wrote it: it is plain text, not markup."""
    lines[:] = [line if line.lstrip().startswith(("..", ":")) else _MARKUP.sub(r"\\\1", line) for line in lines]
