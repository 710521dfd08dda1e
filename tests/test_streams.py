"""Names of random streams over the package: functions that draw by one name draw the same numbers
where their axes agree.
"""

import ast
from collections import defaultdict

import pytest
from conftest import TIERS, tier_settings

from algoreg import plugins
from algoreg.settings import plan

# What stands for a kind that is not written at the call.
COMPUTED = "…"
# Names (and kinds, where one is written) that several functions use, and why their draws are not shared.
SHARED = {
    ("bootstrap",): (
        "resamples: a claim's have its id and a part or a setting, a ledger's the passage's own name and what is compared",
        {
            "chapters.race.by_rank.ratio",
            "claims.judging._estimate",
            "regression.rejudge.at_other_values",
        },
    ),
    ("ensemble", "diagonal"): (
        "the axes are the same, too, but no d is; see the test below",
        {"numerics.draws.draw_diagonals", "chapters.spectral.experiments.spectral_commuting.measure"},
    ),
    ("ensemble", COMPUTED): (
        "every ensemble has a kind of its own; a Gram matrix of rank-one measurements is meant to be of those that descents see",
        {
            "ensembles.entries.Entries.draw",
            "ensembles.pauli.Ensemble.draw",
            "ensembles.rank_one.Ensemble.draw",
            "chapters.proof.experiments.rip.rank_one_gram",
            "chapters.completion.repeated.Repeated.draw",
        },
    ),
    ("paulis",): (
        "the same order of the strings for mixed and pure states, as the ledger says",
        {
            "chapters.practice.experiments.mixed_states.strings_of",
            "chapters.practice.experiments.tomography.strings_of",
        },
    ),
    ("shots",): (
        "as of their strings, where kind, qubits and shots agree",
        {"chapters.practice.experiments.mixed_states.measure", "chapters.practice.experiments.tomography._cases"},
    ),
    ("state", COMPUTED): (
        "mixed states are pure ones with white noise, as the ledger says",
        {
            "chapters.practice.experiments.mixed_states.mixed_state",
            "chapters.practice.experiments.tomography.pure_state",
        },
    ),
    ("start", COMPUTED): (
        "kinds of start, sides of asymmetric factors, names of classifiers: no word is in two of these",
        {
            "algorithms.factored.start_matrix",
            "algorithms.asymmetric.start_factor",
            "chapters.spectral.experiments.convolution.draw_start",
        },
    ),
    ("target", COMPUTED): (
        "kinds of X*; those of rectangular ones begin with `spectrum-`",
        {"numerics.problems.draw_gaussian", "numerics.problems.draw_rectangular"},
    ),
}
# Names that differ by their spelling alone: other streams, as hashed. Another spelling would be other draws.
SPELLINGS = [{"label noise", "label-noise", "label_noise"}]


def _streams(path):
    """Yield the name of every stream that a module draws from, with its kind if it has one,
    and the function that does.
    """
    module = ".".join(path.relative_to(plugins.PACKAGE).with_suffix("").parts)

    def walk(node, within):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and getattr(child.func, "id", getattr(child.func, "attr", "")) == "stream":
                kinds = [keyword.value for keyword in child.keywords if keyword.arg == "kind"]
                yield tuple(_literal(part) for part in (child.args[0], *kinds)), ".".join([module, *within])
            named = isinstance(child, ast.FunctionDef | ast.ClassDef)
            yield from walk(child, [*within, child.name] if named else within)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), [])


def _literal(node):
    return node.value if isinstance(node, ast.Constant) else COMPUTED


@pytest.fixture(scope="module")
def streams():
    found = defaultdict(set)
    for path in sorted(plugins.PACKAGE.rglob("*.py")):
        for name, function in _streams(path):
            found[name].add(function)
    assert {("ensemble", "gaussian"), ("samples",)} <= set(found)
    return found


def test_no_two_functions_draw_from_one_name_but_those_that_are_known(streams):
    # A ledger resamples what it prints, each by itself: no run is drawn.
    drawing = {name: {one for one in found if ".ledger." not in one} for name, found in streams.items()}
    shared = {name: functions for name, functions in drawing.items() if len(functions) > 1}
    assert shared == {name: functions for name, (_, functions) in SHARED.items()}


def test_diagonal_measurements_of_one_stream_have_no_dimension_in_common():
    """If they had, the networks and the factors would be judged on the same draws, scaled and not."""
    own, others = set(), set()
    for block in (block for tier in TIERS for block in plan.measured(tier_settings(tier)).values()):
        if block["experiment"] == "spectral_commuting":
            own.add(block["options"]["d"])
        elif block["experiment"] in ("commuting_depth", "min_trace_commuting"):
            others.add(block["options"]["d"])
    assert own
    assert others
    assert own.isdisjoint(others)


def test_names_that_differ_by_their_spelling_alone_are_known(streams):
    alike = defaultdict(set)
    for name, *_ in streams:
        alike[name.lower().replace("-", " ").replace("_", " ")].add(name)
    assert [names for names in alike.values() if len(names) > 1] == SPELLINGS
