"""The essay: one page that explains in words, with runs in the browser, why descent finds the low-rank matrix.

Its text is ``workflow/report/essay/page.html``; numbers in it are filled from the committed references. Runs are the
explorer's, by the same scripts.
"""

import itertools
import math
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from algoreg.claims.cells import chosen
from algoreg.regression import replications
from algoreg.reporting import explorer, fresh_seeds
from algoreg.reporting.charts.text import number, power_of_ten
from algoreg.reporting.ledger import Ledgers, Numbers
from algoreg.reporting.page.policy import security_policy
from algoreg.reporting.papers import paper
from algoreg.reporting.report import BEST, verdict_text_of
from algoreg.reporting.wording import format_regime
from algoreg.settings.chapters import load_chapters

SCRIPTS = ("state.js", "charts.js")
# Sections by the names that links have.
SECTION = re.compile(r'<section id="(\w+)">\s*<h2>\d+\. (.+?)</h2>')
# Of a plot, in the units of its own: the area between the axes, and the room of a curve's name at its end.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, NAMES = 440, 280, 52, 14, 46, 84


class Essay:
    """What the essay's template reads: claims, numbers of tables, plots.

    Parameters
    ----------
    references : mapping of str to mapping
        The committed references by tier.
    entries : list of mapping
        The registry.
    """

    def __init__(self, references, entries):
        self._references, self._entries = references, {entry["id"]: entry for entry in entries}
        self._numbers, self._cited = Numbers(references, entries), []
        self._passages = Ledgers(references, entries).passages
        self._fresh = replications.of_tiers(references)

    def _tier(self, holds):
        return next(tier for tier in BEST if tier in self._references and holds(self._references[tier]))

    def tier(self, identity):
        """Return the first tier that judged a claim."""
        return self._tier(
            lambda one: any(claim["id"] == identity and claim["estimate"] is not None for claim in one["claims"])
        )

    def table_tier(self, table):
        """Return the first tier that has a table."""
        return self._tier(lambda one: table in one["tables"])

    def estimate(self, identity):
        """Return a claim's estimate."""
        return self._numbers.estimate(identity, self.tier(identity))

    def bound(self, identity, towards):
        """Return the outermost end of a claim's intervals over its seeds, rounded outwards."""
        return self._numbers.bound(identity, towards, self.tier(identity))

    def interval(self, identity):
        """Return a claim's 95 % interval."""
        return self._numbers.interval(identity, self.tier(identity))

    def setting(self, identity, *keys):
        """Return an option of a claim's estimand."""
        return self._numbers.setting(identity, *keys)

    def regime(self, identity, name):
        """Return the value, or the values, of one quantity in the regime of a claim."""
        return self._entries[identity]["regime"][name]

    def values(self, table, column):
        """Return the different values of a column, the first and the last where there are many."""
        return self._numbers.values(table, column, self.table_tier(table))

    def pairs(self, table, first, second, **where):
        """Return the values of two columns in the rows of a table at which other columns have these values."""
        rows = chosen(self._references[self.table_tier(table)]["tables"][table], where)
        return rows[[first, second]].to_numpy(float).tolist()

    def rows(self, passage):
        """Return the cells of a Markdown table that a chapter's ledger shows."""
        lines = self._passages[passage]().splitlines()[2:]
        return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]

    def sentence(self, passage):
        """Return a passage of a chapter's ledger."""
        return self._passages[passage]().replace("\\*", "*")

    def claim(self, identity, words):
        """Return words as a link to a claim's card, which the page then has."""
        if identity not in self._cited:
            self._cited.append(identity)
        return Markup('<a class="cited" href="#claim-{}">{}</a>').format(identity, words)

    def cards(self):
        """Return the claims that the text before has linked to, in that order."""
        return [self._card(identity) for identity in self._cited]

    def _card(self, identity):
        entry, tier = self._entries[identity], self.tier(identity)
        committed = {claim["id"]: claim for claim in self._references[tier]["claims"]}
        (chapter,) = load_chapters([entry["chapter"]])
        return {
            **{key: entry[key] for key in ("id", "statement", "chapter")},
            "verdict_text": verdict_text_of(committed[identity], entry),
            "source": f"{paper(entry['paper']).short()}, {entry['source']}",
            "regime": format_regime(entry["regime"]),
            "control": entry["control"]["statement"],
            "tier": tier,
            "title": chapter.title,
            "fresh": fresh_seeds.of_claim(identity, self._fresh) or "not run",
        }


def _axis(values, log):
    """Return the place of a value between 0 and 1, and ticks, of an axis that holds these values."""
    if not log:
        top = math.ceil(max(values) * 1.05 * 2) / 2
        return (lambda value: value / top), [0, *(tick / 2 for tick in range(1, int(2 * top) + 1))]
    low, high = math.log10(min(values)), math.log10(max(values))
    room = 0.04 * (high - low)
    decades = range(math.ceil(low), math.floor(high) + 1)
    ticks = [10.0**power for power in decades if len(decades) < 6 or power % 2 == 0]
    # Less than two decades: the values themselves.
    ticks = ticks if high - low > 2 else sorted(set(values))
    return (lambda value: (math.log10(value) - low + room) / (high - low + 2 * room)), ticks


def _apart(places, gap=16):
    """Return heights of names, moved down as far as those above them need."""
    order, moved = sorted(range(len(places)), key=places.__getitem__), list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    return moved


def plot(curves, x_title, y_title, x_log=False, y_log=False, dots=False, least=0.0):
    """Return curves as an SVG picture: text is text, and colours are the page's.

    Parameters
    ----------
    curves : list of mapping
        ``name`` and ``points``: lists of x, y and, where they are known, the ends of an interval.
    x_title, y_title : str
    x_log, y_log : bool
    dots : bool
        No lines between the points of a curve; names are then in the picture.
    least : float
        What is smaller is drawn there.
    """
    curves = [{**one, "points": [[max(value, least) for value in point] for point in one["points"]]} for one in curves]
    x_of, x_ticks = _axis([point[0] for one in curves for point in one["points"]], x_log)
    y_of, y_ticks = _axis([value for one in curves for point in one["points"] for value in point[1:]], y_log)
    right, bottom = WIDTH - (12 if dots else NAMES), HEIGHT - BOTTOM

    def x(value):
        return round(LEFT + (right - LEFT) * x_of(value), 1)

    def y(value):
        return round(bottom - (bottom - TOP) * y_of(value), 1)

    parts = [f'<path class="axis" d="M{LEFT} {y(tick)}H{right}"/>' for tick in y_ticks]
    parts += [f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{number(tick)}</text>' for tick in y_ticks]
    parts += [f'<text x="{x(tick)}" y="{bottom + 17}" text-anchor="middle">{number(tick)}</text>' for tick in x_ticks]
    parts += [f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>']
    parts += [
        f'<text x="14" y="{(TOP + bottom) / 2}" text-anchor="middle" transform="rotate(-90 14 {(TOP + bottom) / 2})">{escape(y_title)}</text>'
    ]
    labels = _apart([y(one["points"][-1][1]) for one in curves])
    for place, one in enumerate(curves):
        colour, points = f"c{place}", one["points"]
        if not dots:
            parts += [f'<path class="{colour}" d="M{"L".join(f"{x(point[0])} {y(point[1])}" for point in points)}"/>']
            parts += [
                f'<text class="name {colour}" x="{right + 6}" y="{labels[place] + 4}">{escape(one["name"])}</text>'
            ]
        else:
            parts += [
                f'<text class="name {colour}" x="{LEFT + 10}" y="{TOP + 16 + 18 * place}">● {escape(one["name"])}</text>'
            ]
        parts += [
            f'<path class="band {colour}" d="M{x(point[0])} {y(point[2])}V{y(point[3])}"/>'
            for point in points
            if len(point) > 2
        ]
        parts += [f'<circle class="{colour}" cx="{x(point[0])}" cy="{y(point[1])}" r="4"/>' for point in points]
    said = f"{y_title} over {x_title}: {'; '.join(one['name'] for one in curves)}"
    return Markup(
        f'<svg class="graph" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>'
    )


def by_size(rows):
    """Return curves over d by α from the cells d, r, α, "value [low, high]" of a table, of its rows of r = 1."""
    curves = {}
    for d, _, alpha, found, *_ in (row for row in rows if row[1] == "1"):
        curves.setdefault(f"α = {alpha}", []).append([float(d), *map(float, re.findall(r"[\d.]+", found))])
    return [{"name": name, "points": sorted(points)} for name, points in curves.items()]


def render(folder, parts, style, references, entries):
    """Return the essay as HTML.

    Parameters
    ----------
    folder : path
        With ``page.html``, script and style of its own.
    parts : path
        The explorer's, whose numerics, charts and style are used.
    style : path
        The report page's style.
    references, entries
        See :class:`Essay`.
    """
    folder, parts, essay = Path(folder), Path(parts), Essay(references, entries)
    script = "\n".join(
        path.read_text(encoding="utf-8") for path in (*(parts / name for name in SCRIPTS), folder / "essay.js")
    )
    numerics, worker = ((parts / name).read_text(encoding="utf-8") for name in ("numerics.js", "worker.js"))
    styles = (Path(style), parts / "explorer.css", folder / "essay.css")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    names = (
        "claim",
        "cards",
        "estimate",
        "bound",
        "interval",
        "setting",
        "regime",
        "values",
        "pairs",
        "rows",
        "sentence",
        "tier",
        "table_tier",
    )
    page = environment.get_template("page.html").render(
        **{name: getattr(essay, name) for name in names},
        plot=plot,
        power_of_ten=power_of_ten,
        sections=SECTION.findall((folder / "page.html").read_text(encoding="utf-8")),
        by_size=by_size,
        policy=Markup(security_policy(numerics, script, workers=True)),
        style=Markup("".join(path.read_text(encoding="utf-8") for path in styles)),
        numerics=Markup(numerics),
        worker=Markup(worker),
        script=Markup(script),
        data={"dimensions": explorer.dimensions([20])[20]},
    )
    return page.strip() + "\n"
