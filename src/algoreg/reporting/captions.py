"""The words of figures: their panels' titles and what was run,
written into their files and read back from an SVG.
"""

import re
from html import unescape

# What the formats call a title and a description.
KEYS = {"svg": ("Title", "Description"), "pdf": ("Title", "Subject"), "png": ("Title", "Description")}


def metadata(figure, kind):
    """Return the metadata for a figure's file, by the format's own keys; empty for a figure without a caption.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Its ``caption`` is set by :func:`algoreg.reporting.charts.panels.finish`.
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
    """Return what the panels of an SVG, given as text, conclude and what was run,
    as (titles, caption); empty where there is none.
    """
    found = (re.search(rf"<{name}>(.*?)</{name}>", svg, re.DOTALL) for name in ("title", "dc:description"))
    titles, caption = (unescape(one[1]).strip() if one else "" for one in found)
    return titles, caption
