"""Replicate how the distortion of a random projection falls with its dimension: python replicate.py [FOLDER].

This is a whole replication from another field, judged and reported by ``algoreg``'s ``claims``, ``reporting``,
``results`` and ``settings`` alone. It imports nothing of this project's algorithms, and no torch.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from algoreg.claims import criteria, estimands, judging
from algoreg.numerics.seeds import stream
from algoreg.reporting import verdict_page
from algoreg.reporting.charts.claims import claims_of
from algoreg.reporting.charts.law import law, margin_level, through
from algoreg.reporting.charts.panels import describe, finish, make_room, panels
from algoreg.reporting.charts.style import COLOURS, save, style
from algoreg.results import records
from algoreg.results.provenance import provenance
from algoreg.settings.claims import Claim
from algoreg.settings.files import SettingsError, load_yaml
from algoreg.settings.messages import in_file, lines, problems

HERE = Path(__file__).resolve().parent
SETTINGS = {
    "seed": 1984,
    "n": [512, 4096],
    "k": [18, 36, 72, 144, 288],
    "points": 20,
    "nonzeros": 4,
    "targets": 12,
    "ensembles": 12,
    # The sidecar of every result names these.
    "device": "cpu",
    "dtype": "float64",
    "threads": 1,
}
KEYS = {
    "projection": "how it is drawn: k Gaussian directions, or k of the coordinates",
    "n": ("n", "dimension of the points"),
    "k": ("k", "dimension of the projection"),
    "target": "number of the set of points",
    "ensemble": "number of the projection",
}
VALUES = {
    "largest": ("the largest distortion", "max over pairs of | |P(x − x')|²/|x − x'|² − 1 |"),
    "rms": ("the root mean square distortion", "the same, root mean square over pairs"),
    "status": "how the run ended: converged",
}
ESTIMANDS = {
    function.__name__: function for function in (estimands.exponent_off, estimands.factor_apart, estimands.largest_mean)
}


def draw_points(n, target):
    """Return a set of sparse points with entries ±1, shape (points, n)."""
    random = stream("points", n=n, target=target, seed=SETTINGS["seed"])
    points = np.zeros((SETTINGS["points"], n))
    for point in points:
        places = random.choice(n, SETTINGS["nonzeros"], replace=False)
        point[places] = random.choice([-1.0, 1.0], SETTINGS["nonzeros"])
    return points


def project(kind, points, ensemble):
    """Return the coordinates of projected points, shape (…, largest k)."""
    most, n = max(SETTINGS["k"]), points.shape[-1]
    random = stream("projection", kind=kind, n=n, ensemble=ensemble, seed=SETTINGS["seed"])
    if kind == "gaussian":
        return points @ random.standard_normal((most, n)).T
    return np.sqrt(n) * points[..., random.permutation(n)[:most]]


def distortions(points, projected, k):
    """Return |P(x − x')|²/|x − x'|² − 1 of every pair, P the first k directions over √k."""
    one, other = np.triu_indices(len(points), 1)
    kept = ((projected[one, :k] - projected[other, :k]) ** 2).sum(1) / k
    return kept / ((points[one] - points[other]) ** 2).sum(1) - 1


def measure():
    """Yield the rows of the table: a row per kind, n, k, set of points and projection."""
    for n in SETTINGS["n"]:
        sets = np.array([draw_points(n, target) for target in range(SETTINGS["targets"])])
        for kind, ensemble in product(("gaussian", "coordinates"), range(SETTINGS["ensembles"])):
            for target, projected in enumerate(project(kind, sets, ensemble)):
                for k in SETTINGS["k"]:
                    off = distortions(sets[target], projected, k)
                    names = dict(zip(KEYS, (kind, n, k, target, ensemble), strict=True))
                    largest, rms = float(np.abs(off).max()), float(np.sqrt((off**2).mean()))
                    yield {**names, "largest": largest, "rms": rms, "status": "converged"}


def load_claims():
    """Return the claims, checked, each with its criterion in words."""
    path = HERE / "claims.yaml"
    claims = load_yaml(path)
    found = [(f"[{i}]", problems(Claim, claim)) for i, claim in enumerate(claims)]
    if wrong := [line for where, some in found for line in lines(some, in_file(path, where))]:
        raise SettingsError(wrong)
    declared = {"distortion": {**KEYS, **VALUES}}
    return [{**claim, "criterion": criteria.criterion(claim, ESTIMANDS, declared)} for claim in claims]


def draw(table, claims):
    """Return the figure: the largest distortion over k, with the slope of theory and a claim's margin."""
    figure, (axes,) = panels()
    table = table[table["n"] == SETTINGS["n"][0]]
    kinds = {"gaussian": ("Gaussian directions", "o"), "coordinates": ("sampled coordinates", "s")}
    for (kind, (label, marker)), colour in zip(kinds.items(), COLOURS, strict=False):
        means = law(axes, table[table["projection"] == kind], "k", "largest", colour, label, marker)
        if kind == "gaussian":
            through(axes, means, lambda k: k**-0.5, "slope −1/2")
    margin_level(axes, claims["projection-lemma"], "mean at k = 144", linestyle=":")
    text = {"xlabel": "dimension k of the projection", "ylabel": "largest distortion of a squared distance"}
    describe(axes, "xy", SETTINGS["k"], title="Gaussian projections distort as k⁻¹ᐟ², coordinates do not", **text)
    sizes = f"{SETTINGS['points']} points with {SETTINGS['nonzeros']} of {SETTINGS['n'][0]} entries ±1"
    runs = f"{SETTINGS['targets']} sets of points × {SETTINGS['ensembles']} projections"
    return finish(figure, caption=f"{sizes}; geometric means and ranges of {runs}.")


def main(folder):
    """Measure, judge, draw and report into a folder."""
    results, facts = folder / "results" / "quick", provenance(SETTINGS)
    claims = load_claims()
    with threadpool_limits(SETTINGS["threads"]):
        records.write_table(results / "tables" / "distortion.csv", [*KEYS, *VALUES], measure(), facts)
    table = records.read_table(results / "tables" / "distortion.csv")
    verdicts = [judging.judge(claim, {"distortion": table}, {}, SETTINGS["seed"], ESTIMANDS) for claim in claims]
    records.write_json(results / "claims.json", verdicts, facts)
    with style():
        figure = draw(table, claims_of("distortion", claims))
        make_room(figure)
        for kind in ("svg", "png"):
            with records.atomic(results / "figures" / f"distortion.{kind}") as path:
                save(figure, path, kind)
    template = (HERE / "page.html.j2").read_text(encoding="utf-8")
    page = verdict_page.render(verdicts, {None: "Verdicts"}, "quick", template)
    records.write_text(results / "page.html", page)
    for claim in verdicts:
        print(f"{claim['id']}: {claim['verdict']}, {claim['estimate']:.3g}, control {claim['control_verdict']}")
    return 0 if all(claim["verdict"] != judging.INVALID for claim in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))
