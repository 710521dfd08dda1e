"""Chapters: what their files may say, what is refused by name,
and where a message says that a value is to be edited.
"""

import shutil

import pytest
import yaml
from conftest import ROOT, TIERS

from algoreg import plugins
from algoreg.claims import judging
from algoreg.settings import chapters, checking, workflow
from algoreg.settings.claims import registry_problems
from algoreg.settings.files import SettingsError

pytestmark = pytest.mark.any_kernels

OURS = ROOT / "src" / "algoreg" / "chapters"
SMOKE = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())


def simulations(folder, file, old, new):
    """Return the chapter of the simulations with one text of a file replaced."""
    for path in (OURS / "simulations").glob("*.yaml"):
        shutil.copyfile(path, folder / path.name)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    chapters.load_chapter.cache_clear()
    return chapters.load_chapter("simulations", folder)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("id: fig1-published", "id: fig1-initialisation", "fig1-initialisation: used twice"),
        ("name: smallest_gain", "name: largest_gain", 'estimand.name = "largest_gain": unknown estimand; allowed are'),
        ("direction: above", "direction: up", "direction = \"up\": Input should be 'above' or 'below'"),
        ("margin: 0.1", "margin: 1e-1", "write 1.0e-1"),
        (
            "estimand: {table: figure_3_large_start}",
            "estimand: {table: figure_9}",
            'control.estimand.table = "figure_9": unknown experiment of this claim; allowed are figure_3, figure_3_large_start',
        ),
        ("  kind: trend", "  knd: trend", "unknown key"),
        ("  standing: paper\n", "", "fig1-initialisation.standing: Field required"),
        (
            "standing: paper",
            "standing: theirs",
            "standing = \"theirs\": Input should be 'paper', 'reading', 'ours' or 'check'",
        ),
        ("regime: {r: [1, 5],", "regime: {rang: [1, 5],", "regime.rang = [1, 5]: unknown option or key; allowed are"),
        ("regime: {r: [1, 5],", "regime: {r: [6, 7],", "regime.r = [6, 7]: allowed is what its experiments have"),
        ("regime: {r: [1, 5],", "regime: {r: [1, 6],", "quick 1; standard 5; full 5"),
        ("below_D: true", "below_D: false", "regime.below_D = false: allowed is what its experiments have"),
        (
            "regime: {r: [1, 5], alpha: [0.001, 1], m_over_dr: 5, below_D: true}",
            "regime: {}",
            "regime = {}: allowed is what the claim depends on, or {} with a reason in no_regime",
        ),
        (
            "estimand: {shift: 1}",
            "estimand: {shfit: 1}",
            "control.estimand.shfit = 1: unknown parameter; allowed are",
        ),
        ("figure: figure_1, errors", "figure: figure_7, errors", "allowed are figure_1, figure_1_d200, figure_2"),
        ("{name: smallest_gain, error: test_error}", "{name: smallest_gain}", "estimand.error is missing"),
        (
            "  table: figure_1\n",
            "  table: figure_2\n",
            'table = "figure_2": allowed is one of its experiments, figure_1, figure_1_early',
        ),
        (
            "  table: figure_1\n",
            "  table: figure_1\n  remedy: fig1\n",
            'claims.yaml: fig1-initialisation.remedy = "fig1": unknown claim, or this claim itself; allowed are fig1-published, fig1-published-inside',
        ),
        (
            "  table: figure_1\n",
            "  table: figure_1\n  remedy: fig1-initialisation\n",
            'fig1-initialisation.remedy = "fig1-initialisation": unknown claim, or this claim itself; allowed are fig1-published',
        ),
        (
            "  table: figure_1\n",
            "  table: figure_1\n  deterministic: true\n",
            "deterministic = true: Input should be a valid string",
        ),
    ],
)
def test_bad_registry(tmp_path, old, new, line):
    found = registry_problems([simulations(tmp_path, "claims.yaml", old, new)])
    assert any(line in one for one in found), found


def test_a_claim_may_name_its_remedy_and_say_why_it_is_deterministic(tmp_path):
    more = "  table: figure_1\n  remedy: fig1-published\n  deterministic: no random number is in it\n"
    chapter = simulations(tmp_path, "claims.yaml", "  table: figure_1\n", more)
    assert not registry_problems([chapter])
    entry = {**chapter.claims[0], "chapter": "simulations"}
    judged = judging.judge(entry, None, {}, 0, plugins.functions("estimands"))
    assert (judged["remedy"], judged["deterministic"]) == ("fig1-published", "no random number is in it")


def refused(**tier):
    """Return the lines with which settings and claims are refused."""
    lines, names = [], tier.get("chapters")
    for read in (lambda: checking.complete_tier({**SMOKE, **tier}, "tier.yaml"), lambda: checking.load_claims(names)):
        try:
            read()
        except SettingsError as error:
            lines += error.problems
    return lines


def test_a_chapter_of_ones_own_is_taken(own_chapter):
    own_chapter()
    assert not refused(chapters=["tiny"])
    assert {claim["chapter"] for claim in checking.load_claims(["tiny"])} == {"tiny"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("claims.yaml", None, "[]\n"), "own/tiny/claims.yaml: contains no claim; a chapter needs at least one"),
        (("chapter.yaml", "li2018", "ma2018"), 'own/tiny/chapter.yaml: papers = "ma2018": unknown paper; allowed are li2018'),
        (("chapter.yaml", "order:", "ordre:"), "own/tiny/chapter.yaml: ordre = 90: unknown key; did you mean order?"),
        (("claims.yaml", "paper: li2018", "paper: ma2018"), 'paper = "ma2018": unknown paper; allowed are li2018'),
        (("chapter.yaml", None, "- 1\n"), "own/tiny/chapter.yaml: (the whole file) = [1]: Input should be a mapping of title"),
        (("experiments.yaml", None, "experiments: {a: {experiment: rip}}\n"), "own/tiny/experiments.yaml: experiments.a: allowed is a mapping with either sizes or tiers"),
        (("experiments.yaml", None, "experiments: {a: {tiers: [smoke, large]}}\n"), "experiments.a.tiers[1] = \"large\": Input should be 'smoke', 'quick', 'standard' or 'full'"),
        (("experiments.yaml", None, "experiments: {a: {sizes: {large: {d: 2}}}}\n"), "experiments.a.sizes.large = \"large\": Input should be 'smoke', 'quick', 'standard' or 'full'"),
        (("experiments.yaml", None, "experiments: {a: {sizes: {smoke: {d: 2}, quick: smoke, full: quick}}}\n"), 'experiments.a: sizes.full = "quick": allowed is a mapping, or a tier that has one here: smoke'),
        (("experiments.yaml", None, "experimants: {}\n"), "own/tiny/experiments.yaml: experimants = {}: unknown key; did you mean experiments? allowed are grids, experiments, figures"),
        (("experiments.yaml", None, "experiments: [a]\n"), "own/tiny/experiments.yaml: experiments = [\"a\"]: Input should be a valid dictionary"),
        (("experiments.yaml", None, "a: [1\n"), "own/tiny/experiments.yaml: not valid YAML"),
        (("experiments.yaml", None, "experiments: {rip: {experiment: rip, tiers: [full]}}\n"), "own/tiny/experiments.yaml: experiments.rip: /"),
        (("experiments.yaml", None, "experiments: {gaussian: {tiers: [full]}}\n"), "experiments.gaussian: "),
        (("experiments.yaml", "tiny: [tiny, tiny_experiment]", "tiny: [tiny, tiny_studdy]"), 'own/tiny/experiments.yaml: figures.tiny = "tiny_studdy": unknown table; allowed are tiny_runs, tiny, tiny_early, tiny_experiment'),
        (("experiments.yaml", "tiny: [tiny, tiny_experiment]", "tiny: tiny"), 'figures.tiny = "tiny": Input should be a list of tables'),
        (("experiments.yaml", "tiny: [tiny, tiny_experiment]", "tiny:"), "figures.tiny = null: Input should be a list of tables"),
        (("claims.yaml", "value: test_error", "value: test_eror"), 'tiny-start.estimand.value = "test_eror": unknown column; allowed are d, alpha, target'),
        (("claims.yaml", "value: test_error", "value: [test_error]"), 'estimand.value = ["test_error"]: unknown column'),
        (("claims.yaml", "by: [alpha]", "by: [alpa]"), 'tiny-start.estimand.by = "alpa": unknown column'),
        (("claims.yaml", "by: [alpha]", "by: alpha"), 'tiny-start.estimand.by = "alpha": allowed is a list of columns'),
        (("claims.yaml", "where: {alpha: 0.1}", "where: {alpa: 0.1}"), 'tiny-start.estimand.where = "alpa": unknown column'),
        (("claims.yaml", "where: {alpha: 0.1}", "where: alpha"), 'estimand.where = "alpha": allowed is a mapping of columns'),
        (("claims.yaml", "where: {alpha: 1.0}", "where: {alpa: 1.0}"), 'tiny-start.control.estimand.where = "alpa": unknown column'),
        (("claims.yaml", "name: largest_mean, table: tiny,", "name: largest_mean, table: [tiny],"), 'estimand.table = ["tiny"]: allowed is one table'),
        (("claims.yaml", "largest_mean, table: tiny, value: test_error, by: [alpha]", "ratio_of_pair, pair: [a, b], table: tiny, value: test_eror, by: alpha"), 'tiny-start.estimand.value = "test_eror": unknown column'),
        (("claims.yaml", "largest_mean, table: tiny, value: test_error, by: [alpha]", "ratio_of_pair, pair: [a, b], table: tiny, value: test_error, by: alpa"), 'tiny-start.estimand.by = "alpa": unknown column'),
        (("claims.yaml", "largest_mean, table: tiny, value: test_error, by: [alpha]", "ratio_of_pair, pair: [a, b], table: tiny, value: test_error, by: [alpha]"), 'tiny-start.estimand.by = ["alpha"]: unknown column'),
    ],
)  # fmt: skip
def test_what_a_chapter_cannot_say_is_named(own_chapter, change, line):
    file, old, new = change
    folder = own_chapter(*([change] if old else []))
    if old is None:
        (folder / file).write_text(new)
    assert any(line in one for one in refused()), refused()


def test_a_chapter_that_shadows_ours_is_refused(own_chapter):
    own_chapter(name="proof")
    ours = plugins.chapters()["proof"]
    (line,) = {one for one in refused() if "proof" in one}
    assert line == f"own/proof: chapter proof: {ours} has this name; choose another name"


def test_a_table_that_has_the_name_of_one_elsewhere_is_refused_by_that(own_chapter):
    folder = own_chapter()
    path = folder / "experiments.yaml"
    content = yaml.safe_load(path.read_text())
    content["experiments"] = {"balance": content["experiments"]["tiny"]}
    path.write_text(yaml.safe_dump(content))
    chapters.load_chapter.cache_clear()
    (line,) = chapters.clashes(chapters.load_chapters(["price_of_width", "tiny"]))
    other = OURS / "price_of_width" / "experiments.yaml"
    assert line == f"own/tiny/experiments.yaml: experiments.balance: {other} has this name; choose another"


@pytest.mark.parametrize("name", ["a.b", "a b", "{c}", "<img src=x onerror=alert(1)>", "Mine", "1st", "_mine"])
def test_a_folder_whose_name_no_chapter_can_have_is_refused_listed_or_not(own_chapter, name):
    own_chapter(name=name)
    for chosen in ("all", [name], ["proof"]):
        with pytest.raises(SettingsError) as caught:
            workflow.checked({**SMOKE, "chapters": chosen}, ["config/smoke.yaml"], ROOT, True)
        allowed = "allowed is a folder's name of a-z, 0-9 and _, starting with a letter, at most 40 characters long"
        assert caught.value.problems == [f"own/{name}: {allowed}"]
    with pytest.raises(SettingsError, match="allowed is a folder's name"):
        chapters.load_chapters(["proof"])


@pytest.mark.parametrize("name", ["index", "verdicts"])
def test_a_chapter_whose_page_would_be_another_of_the_report_is_refused(own_chapter, name):
    own_chapter(name=name)
    (line,) = chapters.misnamed()
    assert line.startswith(f"own/{name}: allowed is a name other than index and verdicts")


def test_an_unknown_chapter_is_named_with_those_there_are(own_chapter):
    said = f"chapters = prof: allowed are {', '.join(sorted(plugins.chapters()))}"
    assert refused(chapters=["prof"]) == [f"tier.yaml: {said}", said]


def test_a_claim_in_two_chapters_and_one_without_a_size_are_refused(own_chapter):
    folder = own_chapter()
    own = yaml.safe_load((folder / "claims.yaml").read_text())
    taken = checking.load_claims(["proof"])[0]["id"]
    own[0]["id"] = taken
    (folder / "claims.yaml").write_text(yaml.safe_dump(own))
    chapters.load_chapter.cache_clear()
    assert any(f"{taken}: used twice; the other is in " in line for line in refused()), refused()
    chapter = chapters.load_chapter("proof", OURS / "proof")
    entry = {**chapter.claims[0], "tiers": ["quick", "full"], "experiments": ["rip", "rip_rank_one"], "table": "rip"}
    found = registry_problems([chapters.Chapter(**{**vars(chapter), "claims": [entry]})])
    assert any(
        f"{entry['id']}.tiers = " in one and "rip_rank_one has no size for quick, only for standard, full" in one
        for one in found
    )


def test_a_claim_whose_figure_its_tiers_do_not_draw_is_refused():
    chapter = chapters.load_chapter("proof", OURS / "proof")
    for figures, said in (
        ({"rip": {"tables": ["rip"], "tiers": ["standard"]}}, '.figure = "rip": not drawn in quick, where '),
        ({"rip": ["rip_rank_one"]}, '.figure = "rip": not drawn in quick, where '),
        ({"rip": ["rip"]}, None),
    ):
        entry = {**next(claim for claim in chapter.claims if claim["figure"] == "rip"), "tiers": ["quick", "standard"]}
        entry["experiments"] = ["rip"]
        changed = {**vars(chapter), "entries": {**chapter.entries, "figures": figures}, "claims": [entry]}
        found = [line for line in registry_problems([chapters.Chapter(**changed)]) if ".figure" in line]
        assert (said is None and not found) or f"{entry['id']}{said}" in found[0], (figures, found)


def test_a_figure_is_drawn_where_its_first_table_is():
    chapter = chapters.load_chapter("race", OURS / "race")
    drawn = chapters.compose({"tier": "quick"}, [chapter])["figures"]
    assert "race_thresholds" not in chapter.entries["experiments"]
    assert "race_thresholds" in drawn


def test_a_message_names_the_file_and_the_place_where_a_value_stands(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = chapters.load_chapters(["proof"])
    where = chapters.locations({"tier": "quick"}, "config/quick.yaml", found)
    own = "src/algoreg/chapters/proof/experiments.yaml: experiments"
    assert where(("experiments", "rip", "options", "d")) == f"{own}.rip.sizes.quick.options.d"
    assert where(("experiments", "rip", "experiment")) == f"{own}.rip.experiment"
    assert where(("experiments", "rip", "options", "widht")) == f"{own}.rip.options.widht"
    assert where(("experiments", "rank_r_dynamics", "options", "step")) == f"{own}.rank_r_dynamics.options.step"
    assert where(("seed",)) == "config/quick.yaml: seed"
    where = chapters.locations({"tier": "mine", "like": "full"}, "mine.yaml", found)
    # The full tier has the standard's sizes here.
    assert (
        where(("experiments", "dynamics_course", "options", "every"))
        == f"{own}.dynamics_course.sizes.standard.options.every"
    )


def test_papers_are_keys_of_the_bibliography(tmp_path):
    (tmp_path / "references.bib").write_text("@comment{no, }\n@Article { own2026 ,\n title = {x}}\n")
    chapters.references.cache_clear()
    assert chapters.references(tmp_path) == [*chapters.references(), "own2026"]


def test_every_size_of_every_chapter_is_of_a_tier_and_every_entry_says_what_it_is():
    for chapter in chapters.load_chapters():
        for section, entries in chapter.entries.items():
            for name, entry in entries.items():
                if section != "figures":
                    assert set(chapters.tiers_of(entry)) <= set(TIERS)
                    assert entry.get("what"), f"{chapter.name}: {section}.{name} does not say what it is"


VARIED = """
experiments:
  both:
    why: They differ in the step.
    experiment: rip
    ensembles: 2
    options: {d: 8, step: 1}
    sizes: {smoke: {options: {rank: 2}}, full: smoke}
    variants:
      one: {what: The first., options: {step: 2}}
      two: {what: The second., why: A reason., ensembles: 3, options: {rank: 1}, sizes: {smoke: {options: {d: 9}}}}
"""


def test_a_variant_says_what_differs_and_where_that_is_edited(own_chapter):
    folder = own_chapter()
    (folder / "experiments.yaml").write_text(VARIED)
    found = chapters.load_chapter("tiny", folder)
    full = chapters.compose({"tier": "full"}, [found])["experiments"]
    assert full == {
        "one": {"experiment": "rip", "ensembles": 2, "options": {"d": 8, "step": 2, "rank": 2}},
        "two": {"experiment": "rip", "ensembles": 3, "options": {"d": 8, "step": 1, "rank": 1}},
    }
    assert chapters.sized(found.entries["experiments"]["two"], "smoke")["options"]["d"] == 9
    where = chapters.locations({"tier": "smoke"}, "smoke.yaml", [found])
    own = "own/tiny/experiments.yaml: experiments.both"
    assert where(("experiments", "one", "options", "step")).endswith(f"{own}.variants.one.options.step")
    assert where(("experiments", "two", "options", "d")).endswith(f"{own}.variants.two.sizes.smoke.options.d")
    assert where(("experiments", "one", "options", "rank")).endswith(f"{own}.sizes.smoke.options.rank")
    assert where(("experiments", "two", "experiment")).endswith(f"{own}.experiment")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("      two:", "      one_more: {}\n      two:", "both.variants.one_more.what: Field required"),
        ("what: The first., ", "", "both.variants.one.what: Field required"),
        (
            "  both:",
            "  one: {experiment: rip, tiers: [full]}\n  both:",
            "both.variants.one: experiments.one has this name",
        ),
        ("sizes: {smoke: {options: {rank: 2}}, full: smoke}", "tiers: [smoke]", "variants.two.sizes = "),
        ("sizes: {smoke: {options: {d: 9}}}", "sizes: {large: {}}", "both.variants.two.sizes.large = "),
    ],
)
def test_what_variants_cannot_be_is_named(own_chapter, old, new, line):
    folder = own_chapter()
    assert old in VARIED
    (folder / "experiments.yaml").write_text(VARIED.replace(old, new, 1))
    with pytest.raises(SettingsError) as refusal:
        chapters.load_chapter("tiny", folder)
    assert any(line in one for one in refusal.value.problems), refusal.value.problems


def test_a_claim_takes_its_experiment_and_the_table_of_its_estimand_from_its_table():
    said = {"id": "a", "table": "t", "estimand": {"name": "f"}, "control": {"estimand": {"table": "u"}}}
    made = chapters.complete_claim(said)
    assert made == {**said, "experiments": ["t"], "estimand": {"name": "f", "table": "t"}}
    said = {"table": "t", "experiments": ["t", "u"], "estimand": {"name": "f", "table": "u"}}
    assert chapters.complete_claim(said) == said
    said = {"table": "t", "experiments": ["t", "u"], "estimand": {"name": "f", "over": ["t", "u"]}}
    assert chapters.complete_claim(said) == said
