from functools import cache

import pytest
from conftest import ROOT, registered_claims, tier_settings

from algoreg import code_hash, plugins
from algoreg.recipes import Recipes
from algoreg.settings import plan

pytestmark = pytest.mark.any_kernels

CODE = '''"""Doc."""
from functools import cache

import algoreg.jobs


@cache
def f(x, by=1):
    """Doc."""
    return x + by
'''
OTHER_WORDS = '''"""Other."""
# comment
from functools import cache
import algoreg.jobs
@cache
def f(x, by=1):
    """Other."""

    return x + by  # why
'''


def hash_of(path):
    """Return the hash of a script as a process has it that has not yet read the file."""
    code_hash.forget()
    return code_hash.code_hashes(path)[f"scripts/{path.name}"]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.py").write_text(CODE)
    return tmp_path / "a.py"


def test_comments_docstrings_and_layout_do_not_change_a_hash(path):
    base = hash_of(path)
    path.write_text(OTHER_WORDS)
    assert hash_of(path) == base


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + by", "x - by"),
        ("by=1", "by=2"),
        ("@cache\n", ""),
        ("@cache\n", "@cache\n@cache\n"),
        ("import algoreg.jobs", "import algoreg.settings.plan"),
        ("def f(x, by=1)", "def f(x, *, by=1)"),
        ("def f(x, by=1)", "def f(x, by: int = 1)"),
        ("def f(", "def g("),
        ("return x", "'a text'; return x"),
    ],
)
def test_code_decorators_and_defaults_change_a_hash(path, old, new):
    base = hash_of(path)
    assert old in CODE
    path.write_text(CODE.replace(old, new))
    assert hash_of(path) != base


def test_c_code_beside_a_module_is_part_of_its_hash(path):
    beside = path.with_suffix(".c")
    beside.write_text("/* Twice. */\nint f(int x) { return 2 * x; }\n")
    base = hash_of(path)
    beside.write_text("int f(int x) {\n    /* Double\n       it. */\n    return 2 * x;\n}\n")
    assert hash_of(path) == base
    beside.write_text("/* Twice. */\nint f(int x) { return 3 * x; }\n")
    assert hash_of(path) != base


def test_a_script_has_the_hashes_of_what_it_imports_and_of_the_plugins_that_it_is_told():
    names = code_hash.code_hashes(ROOT / "scripts" / "generate.py", ["algoreg.ensembles.gaussian"])
    wanted = {"scripts/generate.py", "algoreg", "algoreg.ensembles.gaussian", "algoreg.numerics.devices"}
    assert wanted | {"algoreg.numerics.seeds", "algoreg.numerics.svec"} <= names.keys()
    assert "algoreg.reporting.figures" not in names
    assert list(names) == sorted(names)
    with pytest.raises(ModuleNotFoundError, match=r"algoreg\.ensembles\.nothing"):
        code_hash.code_hashes(ROOT / "scripts" / "generate.py", ["algoreg.ensembles.nothing"])


def test_relative_imports_of_a_chapter_of_ones_own_are_followed(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    (folder / "experiments").mkdir(parents=True)
    (folder / "chapter.yaml").touch()
    (folder / "words.py").write_text("from algoreg.numerics import seeds\n")
    (folder / "experiments" / "far.py").write_text("from ..words import one\nfrom . import near\n")
    (folder / "experiments" / "near.py").write_text("")
    monkeypatch.setenv(plugins.CHAPTER_PATH, str(tmp_path))
    plugins.forget()
    names = code_hash.code_hashes(None, ["algoreg.chapters.mine.experiments.far"])
    assert {f"algoreg.chapters.mine.{name}" for name in ("words", "experiments.near")} <= names.keys()
    assert "algoreg.numerics.seeds" in names
    # Folders without an __init__.py have no code.
    assert "algoreg.chapters.mine" not in names
    monkeypatch.undo()
    plugins.forget()


def test_a_script_that_is_no_python_is_named(path):
    path.write_text("x = 1\ndef f(:\n")
    with pytest.raises(SyntaxError, match=r"\(a\.py, line 2\)"):
        hash_of(path)


@cache
def quick():
    """Return the recipes of tier quick."""
    return Recipes(tier_settings("quick"), registered_claims(), ROOT)


def codes():
    """Return the hashes that the measurements and the verdicts of tier quick depend on, by kind and name."""
    recipes = quick()
    measured, verdicts = plan.measured(recipes.tier), {entry["id"]: recipes.judge(entry) for entry in recipes.judged}
    runs = {name: recipes.measure(name, 0 if plan.in_parts(block) else None) for name, block in measured.items()}
    return {
        kind: {name: recipe.params["code"] for name, recipe in found.items()}
        for kind, found in {"measurements": runs, "verdicts": verdicts}.items()
    }


@cache
def committed():
    """Return :func:`codes` of the files as they are."""
    return codes()


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """Return a function that edits a module and returns the measurements and verdicts whose hashes this changes."""

    def found(module, old, new):
        before, file, edited = committed(), plugins.module_file(module), tmp_path / f"{module}.py"
        text = file.read_text()
        assert old in text
        edited.write_text(text.replace(old, new))
        with monkeypatch.context() as patch:
            original = plugins.module_file
            patch.setattr(plugins, "module_file", lambda name: edited if name == module else original(name))
            after = codes()
        return {kind: {name for name in before[kind] if before[kind][name] != after[kind][name]} for kind in before}

    return found


@pytest.mark.parametrize(
    ("module", "old"),
    [
        ("settings.messages", "unknown key"),
        ("settings.option_checks", "it needs"),
        ("settings.descent_checks", "at least 2 where claims are judged"),
        ("settings.columns", "condition number of X*"),
        ("settings.plan", "experiments/{name}/part-{part}.csv"),
        ("settings.chapters", "chapter.yaml"),
        ("settings.files", "utf-8"),
        ("claims.criteria", "with the whole 95 % interval"),
        ("engine.progress", "s left"),
        ("results.joblog", "interrupted"),
        ("results.machine", "model name"),
        ("results.provenance", "--untracked-files=no"),
        ("results.chain", "it was made from other files"),
    ],
)
def test_an_edit_of_a_text_a_plan_or_a_record_reruns_no_measurement_and_no_verdict(changed, module, old):
    found = changed(f"algoreg.{module}", old, f"{old}, edited")
    if module == "settings.messages":
        # These measure the estimators, whose messages about a user's options come from there.
        found["measurements"] -= {
            name for name, code in committed()["measurements"].items() if "algoreg.recover.plan" in code
        }
    assert found == {"measurements": set(), "verdicts": set()}


def test_an_edit_of_what_computes_reruns_what_it_computes(changed):
    every = {kind: set(found) for kind, found in committed().items()}
    assert changed("algoreg.numerics.svec", "1.0 / scale", "2.0 / scale")["measurements"] == every["measurements"]
    assert changed("algoreg.claims.intervals", "LEVEL = 0.95", "LEVEL = 0.9")["verdicts"] == every["verdicts"]
    # The digests by which results are accepted are computed by the jobs themselves.
    assert changed("algoreg.results.digests", "sort_keys=True", "sort_keys=False") == every


def test_what_writes_down_how_a_job_ran_reaches_no_code_that_computes():
    """A module without a hash is imported only where none of its values can reach a result."""
    users = {"algoreg.engine.loop", "algoreg.results.records"} | plugins.JOB_RECORDS
    for code in (code for found in committed().values() for code in found.values()):
        for name in code:
            if "/" not in name and code_hash.imported_modules(name) & plugins.JOB_RECORDS:
                assert name in users, name
