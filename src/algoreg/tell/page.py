"""The report page: verdicts, their evidence and where each number comes from, as one file that needs no network."""

import base64
import gzip
import hashlib
import math
import re
from pathlib import Path

import jinja2
import mistune
import numpy as np
import pandas as pd

from algoreg import sources
from algoreg.judge.claims import INCONCLUSIVE, INVALID, NOT_JUDGED, REFUTED, SUPPORTED
from algoreg.judge.published import load_sizes
from algoreg.spec import plan
from algoreg.store import problem_files, records
from algoreg.tell.wording import Said, apart, say, slack, verdicts_of

# In the order of the headline: word, sign beside it (colour alone must not tell verdicts apart), what it means.
VERDICTS = {
    SUPPORTED: ("supported", "✓", "the whole 95 % interval lies on the claimed side of the margin"),
    REFUTED: ("refuted", "✗", "the whole 95 % interval lies on the other side"),
    INCONCLUSIVE: ("inconclusive", "≈", "the interval straddles the margin"),
    NOT_JUDGED: ("not judged", "○", "this tier lacks the runs"),
    INVALID: ("invalid", "!", "a control came out wrong: the judge is at fault"),
}
MISSING = ("missing", "?", "the registry has it, the results do not")
# Where the largest of several positive numbers is so many times the smallest, their axis is logarithmic.
LOG_AXIS_RATIO = 20
# A control further away from the interval than so many times its axis is shown as an arrow at the edge.
FAR = 2.0
# A figure wider than so many times its height gets the page's whole width.
WIDE = 1.6
# Points of a trajectory that are drawn: a phone has no more pixels.
MOST_POINTS = 120
ERRORS = {"test_error": "test error", "train_error": "training error"}
BOTH = ("test_error", "train_error")
# The paper's figures: the table's axis, what tells its curves apart, which errors it shows, which axes are logarithmic,
# the published curve, the axis in words.
PUBLISHED = {
    "figure_1": ("alpha", ("d",), BOTH, "xy", "figure_1", "initialisation scale α"),
    "figure_2": ("iteration", ("alpha",), BOTH, "y", "figure_2", "iteration at the paper's step"),
    "figure_3": ("iteration", ("d",), ("test_error",), "y", "figure_3", "iteration at the paper's step"),
    "figure_4": ("m_over_d", ("d", "method"), ("test_error",), "y", "figure_4", "measurements per dimension, m/d"),
    "figure_5a": ("iteration", (), BOTH, "y", "figure_5a_sgd", "step"),
    "figure_5b": ("iteration", (), BOTH, "y", "figure_5b_gd", "iteration at the paper's step"),
}
# Facts of a sidecar that a reader asks for, and what the page calls them.
FACTS = {
    "commit": "commit",
    "config_sha256": "configuration",
    "lock_sha256": "lock file",
    "seed": "root seed",
    "device": "device",
    "dtype": "data type",
    "threads": "threads a job",
}
LIBRARIES = ("python", "numpy", "scipy", "torch")


def show(value):
    """Return a number as the page prints it, four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def texts(claim, verdicts=None):
    """Return the texts of a verdict (:class:`algoreg.tell.wording.Said`) as the page prints numbers, four digits and more."""
    plain = vars(say(claim, verdicts, digits=4))
    numbers = ("estimate", "interval", "needed", "control", "positive_control")
    return Said(**{key: minus(text) if key in numbers else text for key, text in plain.items()})


def minus(text):
    """Return text with minus signs before its numbers in the place of hyphens."""
    return re.sub(r"(?<![\w-])-(?=[\d.])|(?<=\de)-(?=\d)", "−", text)


def seconds(value):
    """Return a duration in words."""
    return f"{value:.1f} s" if value < 90 else f"{value / 60:.1f} min"


def headline(claims, missing=()):
    """Return (verdict, word, sign, meaning, number of claims) of every verdict to show, in a fixed order.

    The three verdicts and ``not-judged`` are always there; ``invalid`` and missing claims only if there are any.
    """
    counts = {name: sum(claim["verdict"] == name for claim in claims) for name in VERDICTS}
    rows = [(name, *VERDICTS[name], count) for name, count in counts.items() if count or name != INVALID]
    return rows + ([("missing", *MISSING, len(missing))] if missing else [])


def _ticks(low, high, log):
    if log:
        found = [
            b * 10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for b in (1, 3)
        ]
        found = [tick for tick in found if low <= tick <= high]
        return found if len(found) <= 7 else [tick for tick in found if f"{tick:e}"[0] == "1"]
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * nice for nice in (1, 2, 5, 10) if unit * nice >= raw)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def interval_axis(claim):
    """Return where a claim's estimate, interval, margin and controls lie on an axis, in percent of its width.

    Parameters
    ----------
    claim : mapping
        An entry of ``claims.json``.

    Returns
    -------
    dict or None
        None where there is no interval. ``low, high, estimate, margin`` are positions; ``zone`` is the claimed side
        (start, width); ``ticks`` are pairs (position, text); ``controls`` are mappings with ``at, off`` (−1, 0 or 1: beyond
        which edge), ``text`` and ``label``; ``log`` tells the scale; ``words`` says all of it.
    """
    if claim["estimate"] is None or claim["ci_low"] is None:
        return None
    own = [claim["ci_low"], claim["ci_high"], claim["estimate"], claim["margin"]]
    controls = [
        (name, claim[f"{part}_estimate"], claim[f"{part}_verdict"])
        for part, name in (("control", "control"), ("positive_control", "positive control"))
        if claim[f"{part}_estimate"] is not None
    ]
    log = min(own) > 0 and max(own) > LOG_AXIS_RATIO * min(own)
    scale = math.log10 if log else float
    low, high = scale(min(own)), scale(max(own))
    span = (high - low) or abs(high) or 1.0
    near = []
    for _, value, _ in controls:
        if not log or value > 0:
            place = scale(value)
            if low - FAR * span <= place <= high + FAR * span:
                near.append(place)
    low, high = min([low, *near]), max([high, *near])
    pad = 0.12 * ((high - low) or span)
    low, high = low - pad, high + pad

    def at(value):
        return round(100 * (scale(value) - low) / (high - low), 2)

    margin = at(claim["margin"])
    drawn = []
    for name, value, outcome in controls:
        place = -1.0 if log and value <= 0 else at(value)
        off = -1 if place < 0 else 1 if place > 100 else 0
        drawn.append(
            {
                "at": min(max(place, 1.2), 98.8),
                "off": off,
                "label": name,
                "text": f"{name} {minus(apart([value], claim['margin'], 4)[0])}, {outcome}"
                + (" (beyond the axis)" if off else ""),
            }
        )
    ends = (10.0**low, 10.0**high) if log else (low, high)
    said = texts(claim)
    words = (
        f"Estimate {said.estimate}, 95 % interval: {said.interval}; claimed is {said.needed}"
        f"{f'; {said.edge}' if said.edge else ''}" + "".join(f"; {one['text']}" for one in drawn)
    )
    return {
        "low": at(claim["ci_low"]),
        "high": at(claim["ci_high"]),
        "estimate": at(claim["estimate"]),
        "margin": margin,
        "zone": (margin, 100 - margin) if claim["direction"] == "above" else (0, margin),
        "ticks": [(at(tick), minus(f"{tick:.6g}")) for tick in _ticks(*ends, log)],
        "controls": drawn,
        "log": log,
        "words": words,
    }


def picture(path, title):
    """Return a figure's data URI, width, height and title: the SVG, or the PNG beside it where that is smaller.

    Raises
    ------
    algoreg.store.records.DamagedResult
        If the figure or its sidecar is missing or does not match its checksum; the message names it.
    """
    files = {}
    for kind, mime in (("svg", "image/svg+xml"), ("png", "image/png")):
        file = Path(path).with_suffix(f".{kind}")
        if not file.is_file():
            raise records.DamagedResult(f"figure {file.stem}: {file} is missing. Rerun to draw it.")
        files[mime] = records.check(file).read_bytes()
    width, height = (float(x) for x in re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', files["image/svg+xml"]).groups())
    mime, content = min(files.items(), key=lambda item: len(item[1]))
    uri = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    wide = width > WIDE * height
    return {"name": Path(path).stem, "uri": uri, "width": width, "height": height, "title": title, "wide": wide}


def lineage(tier, table):
    """Return the results that a table comes from and itself, as paths below the tier's folder, in the order they are made.

    Parameters
    ----------
    tier : mapping
        Its settings.
    table : str
        An experiment or a study of the tier.
    """
    if table in tier.get("studies", {}):
        parts = range(len(plan.study_parts(tier["studies"][table])))
        return [*(f"studies/{table}/part-{part}.csv" for part in parts), f"tables/{table}.csv"]
    block = tier["experiments"][table]
    if "compare" in block:
        return [*lineage(tier, block["compare"]), f"tables/{table}.csv"]
    paths = []
    for name in block["descents"]:
        for number in plan.descent_ensembles(tier, name):
            paths.append(f"problems/{tier['descents'][name]['problem']}/ensemble-{number}.npz")
            paths.append(f"descents/{name}/ensemble-{number}.npz")
    return list(dict.fromkeys([*paths, f"tables/{table}.csv"]))


def provenance(results, paths):
    """Return what the sidecars of some results say, put together.

    Parameters
    ----------
    results : pathlib.Path
        ``results/<tier>``.
    paths : iterable of str
        Results below it.

    Returns
    -------
    dict
        ``facts``: pairs (what, text) with every value that occurs; ``seconds``: their sum over jobs; ``jobs``: how many
        results; ``unknown``: those without a readable sidecar.
    """
    found, unknown = [], []
    for path in dict.fromkeys(paths):
        try:
            found.append(records.read_provenance(results / path))
        except records.DamagedResult:
            unknown.append(path)
    facts = []
    for key, name in FACTS.items():
        values = [one[key] for one in found if one.get(key) is not None and (key != "device" or one[key] != "auto")]
        texts = list(
            dict.fromkeys(str(value)[:12] if key.endswith(("commit", "sha256")) else str(value) for value in values)
        )
        if key == "commit":
            texts += ["unknown"] * any(one.get("commit") is None for one in found)
            texts += ["with uncommitted changes"] * any(one.get("dirty") for one in found)
        if texts:
            facts.append((name, ", ".join(texts)))
    versions = {
        library: list(dict.fromkeys(one["machine"][library] for one in found if library in one.get("machine", {})))
        for library in LIBRARIES
    }
    facts.append(("versions", "; ".join(f"{name} {', '.join(values)}" for name, values in versions.items() if values)))
    return {
        "facts": facts,
        "seconds": sum(one.get("seconds") or 0 for one in found),
        "jobs": len(found),
        "unknown": unknown,
    }


def _thinned(rows):
    """Return at most ``MOST_POINTS`` of some rows, the first and the last among them."""
    if len(rows) <= MOST_POINTS:
        return rows
    keep = np.unique(np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int))
    return rows.iloc[keep] if hasattr(rows, "iloc") else [rows[i] for i in keep]


def _short(values):
    """Return numbers for the page's data: four significant digits, None for what is not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in np.asarray(values, dtype=float)]


def _trace(name, frame, x, value, colour, **more):
    """Return mean and range of a column over runs, against another, as a curve of a plot."""
    groups = _thinned(frame.groupby(x)[value].agg(["mean", "min", "max"]).dropna().reset_index())
    curve = {"name": name, "x": groups[x].tolist(), "y": _short(groups["mean"]), "colour": colour, **more}
    return {**curve, "low": _short(groups["min"]), "high": _short(groups["max"])}


def spectra(results, tier):
    """Return the eigenvalues of U_tU_tᵀ along the runs of every problem whose descents record them.

    One target and one ensemble of each problem: target 0, the first ensemble. Problems with planted eigenvalues that
    differ come first.

    Parameters
    ----------
    results : pathlib.Path
    tier : mapping

    Returns
    -------
    list of dict
        ``title``, ``planted`` (the eigenvalues of X*), ``runs``: mappings with ``alpha``, ``iteration`` (the paper's) and
        ``eigenvalues`` (one list per iteration).
    """
    found = {}
    for name in plan.spectrum_descents(tier):
        descent, number = tier["descents"][name], plan.descent_ensembles(tier, name)[0]
        arrays = records.read_arrays(results / "descents" / name / f"ensemble-{number}.npz")
        targets = range(tier["problems"][descent["problem"]]["targets"])
        runs = [(run, target) for run in plan.expand_runs(tier, name) for target in targets]
        for place, (run, target) in enumerate(runs):
            rows = arrays["spectra"][arrays["spectra"][:, 0] == place]
            # 0 has no place on a logarithmic axis; it is recorded for the identity's sake.
            rows = rows[rows[:, 1] > 0]
            if target == 0 and "alpha" in run and run["m"] == tier["problems"][descent["problem"]]["m"] and len(rows):
                found.setdefault((descent["problem"], number), {})[run["alpha"]] = {
                    "alpha": run["alpha"],
                    "iteration": (rows[:, 1] * run["step_factor"]).astype(int).tolist(),
                    "eigenvalues": [_short(np.maximum(row, 1e-12)) for row in rows[:, 3:]],
                }
    panels = []
    for (name, number), runs in found.items():
        problem = tier["problems"][name]
        stored = results / "problems" / name / f"ensemble-{number}.npz"
        factor = problem_files.read_problem(stored, tier["seed"])["factors"][0]
        planted = np.linalg.eigvalsh(factor.T @ factor)[::-1]
        panels.append(
            {
                "title": f"d = {problem['d']}, r = {problem['rank']}, m = {problem['m']}",
                "planted": _short(planted),
                "runs": [runs[alpha] for alpha in sorted(runs, reverse=True)],
                "spread": problem["target"]["kind"] == "spectrum",
            }
        )
    return sorted(panels, key=lambda panel: not panel["spread"])


def dynamics(tables, tier):
    """Return plots of signal against error along runs, from study tables that have such columns beside ``iteration``.

    A column belongs to one of the two if its name starts with ``signal`` or ``error``; the first of each is drawn. There is a
    plot for each value of the first column that names a row (but for iteration, target, ensemble), and in it a pair
    of curves, means over targets and ensembles, for each value of the others and of ``alpha``.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    tier : mapping
    """
    plots = []
    for name, block in tier.get("studies", {}).items():
        table = tables[name]
        parts = {kind: [c for c in table if re.match(rf"{kind}(_|$)", c)] for kind in ("signal", "error")}
        if "iteration" not in table or not all(parts.values()):
            continue
        # 0 has no place on a logarithmic axis.
        table = table[table["iteration"] > 0]
        keys = sources.module_literal("studies", block["study"], "KEYS")
        rest = [key for key in keys if key not in ("iteration", "target", "ensemble", "alpha")]
        inner = [key for key in (*rest[1:], "alpha") if key in table and table[key].nunique() > 1]
        for number, (said, part) in enumerate(_series(table, rest[:1])):
            curves = []
            for colour, (label, one) in enumerate(_series(part, inner)):
                for kind, columns in parts.items():
                    title = f"{kind}{', ' if label else ''}{label}"
                    curves.append(_trace(title, one, "iteration", columns[0], colour, dash=kind == "error"))
            title = f"Signal and error along the run{': ' if said else ''}{said}"
            plot = {"id": f"dynamics-{name}-{number}", "title": title, "x": "iteration", "y": "size", "log": "xy"}
            plots.append({**plot, "curves": curves})
    return plots


def _series(frame, keys):
    """Return (label, rows) of each curve of a table."""
    if not keys:
        return [("", frame)]
    parts = []
    for values, part in frame.groupby(list(keys), sort=True):
        pairs = zip(keys, values, strict=True)
        said = [
            str(v) if isinstance(v, str) else f"{k.replace('_over_', '/').replace('_', ' ')} = {v:g}" for k, v in pairs
        ]
        parts.append((", ".join(said).replace("alpha", "α"), part))
    return parts


def comparisons(tables, tier):
    """Return, for each of the paper's Figures 1–5 that the tier draws, a plot of our runs beside the published curve.

    Returns
    -------
    list of dict
        ``name``, ``plot``, ``compared`` (whether the tier runs the published size) and ``rows``: per error and curve the
        number of published points, how many lie in the prediction interval, the geometric mean factor and the first
        and last pair of values.
    """
    found = []
    for name, (x, keys, errors, log, curve_name, label) in PUBLISHED.items():
        if name not in tier["figures"]:
            continue
        table = tables[name][tables[name]["status"] != "diverged"]
        compared = [
            n for n, block in tier["experiments"].items() if block.get("compare") == name and "scan" not in block
        ]
        published = load_sizes(curve_name) if compared else None
        curves, rows = [], []
        for error in errors:
            for text, part in _series(table, keys):
                title = f"{ERRORS[error]}{', ' if text else ''}{text}"
                colour = len({curve["colour"] for curve in curves})
                curves.append(_trace(f"{title}, ours", part, x, error, colour))
                if published is None:
                    continue
                there = published[published["error"] == error]
                for key in ("d", *keys):
                    there = there[there[key] == part[key].iloc[0]] if key in there else there
                if len(there):
                    there = _thinned(there.sort_values(x))
                    point = {"name": f"{title}, published", "x": there[x].tolist(), "y": _short(there["value"])}
                    curves.append({**point, "colour": colour, "points": True})
        if compared:
            for (error, text), part in _compared_parts(pd.concat([tables[n] for n in compared]), keys):
                part = part.sort_values(x)
                ends = [f"{show(r['ours'])} / {show(r['published'])}" for _, r in part.iloc[[0, -1]].iterrows()]
                rows.append(
                    {
                        "error": ERRORS[error],
                        "curve": text,
                        "points": len(part),
                        "inside": int((part["inside"].astype(str) == "True").sum()),
                        "factor": f"{np.exp(np.mean(np.abs(np.log(part['ratio'])))):.3g}",
                        "first": f"{ends[0]} at {part[x].iloc[0]:g}",
                        "last": f"{ends[1]} at {part[x].iloc[-1]:g}",
                    }
                )
        plot = {
            "id": f"published-{name}",
            "title": sources.figure_title(name),
            "x": label,
            "y": "relative error",
            "log": log,
        }
        sizes = sorted(int(d) for d in table["d"].unique())
        found.append(
            {
                "name": name,
                "sizes": sizes,
                "compared": bool(compared),
                "rows": rows,
                "plot": {**plot, "curves": curves, "reversed": x == "alpha"},
            }
        )
    return found


def _compared_parts(table, keys):
    for error in ERRORS:
        frame = table[table["error"] == error]
        if len(frame):
            for text, part in _series(frame, keys):
                yield (error, text), part


class _Ledger(mistune.HTMLRenderer):
    """Headings below the page's own, links from where the page lies, tables that can be scrolled by keyboard."""

    def __init__(self, prefix):
        super().__init__(escape=True)
        self._prefix = prefix

    def heading(self, text, level, **attributes):
        """Return a heading one level further down; the document's title is the page's own."""
        return "" if level == 1 else f"<h{level + 1}>{text}</h{level + 1}>\n"

    def link(self, text, url, title=None):
        """Return a link; one that is relative to the documents' folder is made relative to the page."""
        return super().link(text, url if re.match(r"[a-z]+:|#|/", url) else self._prefix + url, title)


def ledger(text):
    """Return the deviation ledger as HTML, escaped; markers of generated blocks are left out.

    Parameters
    ----------
    text : str
        Markdown, the content of ``docs/deviations.md``.
    """
    renderer = _Ledger("../../../docs/")
    convert = mistune.create_markdown(renderer=renderer, plugins=["table"])
    html = convert(re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL))
    count = iter(range(1, 10_000))
    html = re.sub(
        r"<table>",
        lambda _: (
            f'<div class="scroll" tabindex="0" role="region" aria-label="Table {next(count)} of the ledger"><table>'
        ),
        html,
    )
    return html.replace("</table>", "</table></div>")


def plotting_library(code):
    """Return plotly.js, compressed (gzip, base64): a third of its size, unpacked by the browser when it is needed."""
    return base64.b64encode(gzip.compress(code.encode(), 9, mtime=0)).decode()


def security_policy(*scripts):
    """Return the page's content security policy: these scripts by hash, styles, embedded pictures, and nothing else.

    Styles have no hash: plotly.js writes some into the elements that it draws. They cannot run code, nor load anything here.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def render(results, registry, claims, tier, tables, templates, deviations):
    """Return the page as HTML.

    Parameters
    ----------
    results : pathlib.Path
        ``results/<tier>``: figures, recorded eigenvalues and sidecars are read from it.
    registry : list of mapping
        All entries of ``config/claims.yaml``; those without a verdict are shown as missing.
    claims : list of mapping
        The content of ``claims.json``.
    tier : mapping
        Its settings.
    tables : mapping of str to pandas.DataFrame
        Every table of the tier.
    templates : path
        The folder with ``page.html``, ``page.css`` and ``page.js``.
    deviations : str
        The ledger, Markdown.

    Raises
    ------
    algoreg.store.records.DamagedResult
        If a figure is missing or damaged; the message names it.
    ValueError
        If a claim names a figure that the tier does not draw.
    """
    from plotly.offline import get_plotlyjs

    results = Path(results)
    pictures = {
        name: picture(results / "figures" / f"{name}.svg", sources.figure_title(name)) for name in tier["figures"]
    }
    entries = {entry["id"]: entry for entry in registry}
    shown = []
    for claim in claims:
        entry = entries.get(claim["id"], {})
        figure = Path(claim["figure"]).name if claim["figure"] else None
        if figure is not None and figure not in pictures:
            raise ValueError(f"claim {claim['id']}: figure {figure} is missing: tier {tier['tier']} does not draw it")
        own = [f"claims/{claim['id']}.json"]
        inputs = entry.get("experiments", []) if claim["verdict"] != NOT_JUDGED else []
        paths = [path for table in inputs for path in lineage(tier, table)]
        shown.append(
            {
                **claim,
                "word": VERDICTS[claim["verdict"]][0],
                "sign": VERDICTS[claim["verdict"]][1],
                "said": texts(claim, verdicts_of(claims)),
                "slack": slack(claim),
                "axis": interval_axis(claim),
                "picture": pictures.get(figure),
                "tiers": entry.get("tiers", []),
                "tables": inputs,
                "provenance_of": provenance(results, [*paths, *own]),
                "order": list(VERDICTS).index(claim["verdict"]),
            }
        )
    missing = [entry for entry in registry if entry["id"] not in {claim["id"] for claim in claims}]
    everything = sorted(
        str(path.relative_to(results / "provenance").with_suffix(""))
        for path in (results / "provenance").rglob("*.json")
        if path.parts[-2] != "report"
    )
    published = comparisons(tables, tier)
    panels, signal = spectra(results, tier), dynamics(tables, tier)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(show=show, seconds=seconds)
    folder = Path(templates)
    script = (folder / "page.js").read_text(encoding="utf-8")
    plotly = get_plotlyjs()
    return environment.get_template("page.html").render(
        tier=tier["tier"],
        headline=headline(claims, missing),
        claims=shown,
        missing=missing,
        sources=list(dict.fromkeys(entry["source"] for entry in [*claims, *missing])),
        pictures=pictures,
        published=published,
        panels=panels,
        signal=signal,
        data={"spectra": panels, "plots": [*signal, *(one["plot"] for one in published)]},
        whole=provenance(results, everything),
        machine=_machine(results),
        ledger=jinja2.utils.markupsafe.Markup(ledger(deviations)),
        style=jinja2.utils.markupsafe.Markup((folder / "page.css").read_text(encoding="utf-8")),
        script=jinja2.utils.markupsafe.Markup(script),
        library=plotting_library(plotly),
        policy=jinja2.utils.markupsafe.Markup(security_policy(script, plotly)),
    )


def _machine(results):
    """Return what ``claims.json``'s sidecar says of the machine, in words."""
    machine = records.read_provenance(results / "claims.json")["machine"]
    return f"{machine['processor'] or 'unknown processor'}, {machine['cores']} cores, {machine['platform']}"
