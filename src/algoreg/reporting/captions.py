"""Write the panels' titles and the caption of a figure into its files, and read them from an SVG."""

import re
from html import unescape

# The keys for a title and a description in each format.
KEYS = {"svg": ("Title", "Description"), "pdf": ("Title", "Subject"), "png": ("Title", "Description")}


def metadata(figure, kind):
    """Return the metadata for a figure's file, by the format's keys; empty for a figure without a caption.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure whose ``caption`` was set by :func:`algoreg.reporting.charts.panels.finish`.
    kind : str
        ``svg``, ``pdf`` or ``png``.
    """
    caption = getattr(figure, "caption", "")
    if not caption:
        return {}
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    said = "; ".join(" ".join(title.split()) for title in titles if title)
    return dict(zip(KEYS[kind], (said, caption), strict=True))


def read(svg):
    """Return ``(titles, caption)`` of an SVG, given as text: panels' conclusions and what was run; empty if none."""
    found = (re.search(rf"<{name}>(.*?)</{name}>", svg, re.DOTALL) for name in ("title", "dc:description"))
    titles, caption = (unescape(one[1]).strip() if one else "" for one in found)
    return titles, caption
