"""Draw the badges in README: small pictures with facts about the project, which are read from its files."""

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

from algoreg.reporting.report import counted

# Width of a letter in an 11-pixel font, the padding of a text, and the height of a badge.
LETTER, PADDING, HEIGHT = 6.6, 12, 20


def drawn(label: str, value: str, colour: str = "#33507d") -> str:
    """Return a badge, which shows a label beside its value, as the text of an SVG."""
    left, right = (round(len(text) * LETTER + PADDING) for text in (label, value))
    said = escape(f"{label}: {value}")
    texts = "".join(
        f'<text x="{x}" y="14" textLength="{width - PADDING}">{escape(text)}</text>'
        for x, width, text in ((left / 2, left, label), (left + right / 2, right, value))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{HEIGHT}" role="img" aria-label="{said}">'
        f'<title>{said}</title><rect width="{left + right}" height="{HEIGHT}" rx="3" fill="#4a4a4a"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" fill="{colour}"/>'
        f'<g fill="#fff" text-anchor="middle" font-family="DejaVu Sans,Verdana,sans-serif" font-size="11">{texts}</g>'
        "</svg>\n"
    )


def generated(root: Path, claims: list[dict]) -> dict[str, str]:
    """Return the badges by path.

    Parameters
    ----------
    root : pathlib.Path
        The repository, whose ``pyproject.toml`` is read.
    claims : list of mapping
        The committed verdicts of the standard tier.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least, most = project["requires-python"].removeprefix(">=").split(",<")
    major, minor = most.split(".")
    counts, turning = counted(claims)
    said = [f"{counts[name]} {name}" for name in ("supported", "refuted", "inconclusive") if counts[name]]
    said += [f"{turning} not on every seed"] if turning else []
    return {
        "docs/badges/version.svg": drawn("version", project["version"]),
        "docs/badges/licence.svg": drawn("licence", project["license"]),
        "docs/badges/python.svg": drawn("python", f"{least} to {major}.{int(minor) - 1}"),
        "docs/badges/claims.svg": drawn("claims, standard tier", ", ".join(said), "#2f6b3c"),
    }
