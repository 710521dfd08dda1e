"""Sphinx's settings for the site; tools/build_site.py gathers the pages beside a copy of this file."""

import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent

project = "algoreg"
author = "The algoreg authors"
release = version = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"algoreg {version}"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
# What readers look for is prose: lists of claims, tables and the API come after it.
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_extra_path = ["_extra"]
# No copy of the sources: they are in the repository.
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"sidebar_hide_name": False}
pygments_style = "friendly"
pygments_dark_style = "monokai"
# GitHub's own ids of headings, which links in the documents use.
myst_heading_anchors = 5
# Documents are written for GitHub's Markdown.
myst_enable_extensions = ["strikethrough", "tasklist"]
# A table's cell may begin with a literal that no lexer knows; a ledger may begin below its page's level.
suppress_warnings = ["myst.header", "misc.highlighting_failure", "myst.strikethrough"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    # What scikit-learn adds to its estimators, described in its own documents.
    "exclude-members": "get_metadata_routing, set_fit_request, set_predict_request, set_score_request, score",
}
napoleon_google_docstring = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"
napoleon_use_ivar = True


def plain_bars(app, what, name, obj, options, lines):
    """Take |X| in a docstring as it is written: two bars are no substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app):
    """Register what docstrings go through."""
    # Before napoleon, which Sphinx gives the priority 500.
    app.connect("autodoc-process-docstring", plain_bars, priority=400)
