"""The verdicts of a tier as a plain HTML table, for Snakemake's own report."""

import jinja2

from algoreg.reporting.wording import format_regime, verdict_text, verdicts_of

HEADER = ("claim", "statement", "regime", "standing", "verdict", "estimate", "95 % interval", "margin", "control")


def render(claims: list[dict], titles: dict[str, str], tier: str, template: str) -> str:
    """Return the page.

    Parameters
    ----------
    claims : list of mapping
        Entries of ``claims.json``.
    titles : mapping of str to str
        The chapters' titles by name, in their order; a chapter without claims is left out.
    tier : str
        The tier's name.
    template : str
        The text of ``workflow/report/verdicts.html.j2``.
    """
    rows: dict[str, list[list[str]]] = {}
    for claim in claims:
        said = verdict_text(claim, verdicts_of(claims))
        row = [claim["id"], claim["statement"], format_regime(claim["regime"]), claim["standing"]]
        rows.setdefault(claim["chapter"], []).append([*row, said.outcome(), *said.cells()])
    chapters = [(title, rows[name]) for name, title in titles.items() if name in rows]
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(template)
    return page.render(tier=tier, header=HEADER, chapters=chapters) + "\n"
