"""What can be asked for: every named target, from a fresh clone, through a profile,
from another workflow, in odd folders.
"""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, SCRATCH_CHAPTERS, copy_repository, registered_claims, set_yaml, snakemake
from test_workflow import planned

from algoreg import jobs
from algoreg.settings.chapters import compose, load_chapters
from algoreg.settings.files import load_yaml

pytestmark = pytest.mark.workflow

TARGETS = ("replication", "figures", "claims", "notebooks", "report", "verify", "claim_fig1_initialisation")
# As snakedeploy writes it.
IMPORTING = """
configfile: "config/smoke.yaml"


module algoreg:
    snakefile:
        {snakefile!r}
    config:
        config{part}


use rule * from algoreg as ar_*
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return a scratch repository without results, for plans only."""
    return copy_repository(tmp_path_factory.mktemp("fresh") / "repository")


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_every_named_target_can_be_planned_on_an_empty_tree(fresh, profile):
    chosen = ("--workflow-profile", f"profiles/{profile}") if profile != "default" else ()
    plan = planned(fresh, *TARGETS, *chosen)
    assert {target: plan.get(target) for target in TARGETS} == dict.fromkeys(TARGETS, 1)


def importing(folder, part=""):
    """Make a folder with a workflow of its own that imports this one; return it."""
    repository = copy_repository(folder / "repository")
    other = folder / "other"
    (other / "config").mkdir(parents=True)
    (other / "Snakefile").write_text(IMPORTING.format(snakefile=str(repository / "Snakefile"), part=part))
    tier = (repository / "config" / "smoke.yaml").read_text()
    if part:
        tier = yaml.safe_dump({"algoreg": yaml.safe_load(tier), "seed": "not a number"}, allow_unicode=True)
    (other / "config" / "smoke.yaml").write_text(tier)
    return other


def test_another_workflow_can_import_this_one(tmp_path):
    other = importing(tmp_path)
    targets = [f"ar_{target}" for target in TARGETS]
    plan = planned(other, *targets, environment={"PYTHONPATH": str(tmp_path / "repository" / "src")})
    assert {target: plan.get(target) for target in targets} == dict.fromkeys(targets, 1)
    assert {f"ar_{name}" for name in ("measure_part", "build_page", "execute_notebook")} <= set(plan)


@pytest.mark.slow
def test_an_importing_workflow_may_hand_over_a_part_of_its_settings(smoke, tmp_path):
    """And it is this part that reaches the jobs: the seed beside it is none. Results are the importing workflow's."""
    other = importing(tmp_path, part='["algoreg"]')
    table = "results/smoke/tables/figure_1_paper_step.csv"
    done = snakemake(other, table, environment={"PYTHONPATH": str(tmp_path / "repository" / "src")})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "localrules" not in done.stderr
    assert (other / table).read_bytes() == (smoke / table).read_bytes()
    assert not (tmp_path / "repository" / "results" / "smoke").exists()


@pytest.mark.slow
def test_an_imported_notebook_reads_the_importing_workflows_results(smoke, tmp_path):
    other = importing(tmp_path)
    shutil.copytree(smoke / "results" / "smoke", other / "results" / "smoke", copy_function=shutil.copy2)
    page = other / "results" / "smoke" / "notebooks" / "02_claims_and_uncertainty.html"
    page.unlink()
    settings = {"PYTHONPATH": str(tmp_path / "repository" / "src")}
    name = str(page.relative_to(other))
    # Snakemake remembers nothing here: only what is missing is made.
    done = snakemake(
        other, name, "--rerun-triggers", "mtime", "--allowed-rules", "ar_execute_notebook", environment=settings
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "judged again" in page.read_text()


def test_braces_in_the_path_are_named_before_anything_else(tmp_path):
    (tmp_path / "{c}").mkdir()
    folder = copy_repository(tmp_path / "{c}" / "repository")
    done = snakemake(folder, "-n")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{folder}: Snakemake reads braces in the path of a workflow as wildcards" in output
    assert "Traceback" not in output


def test_make_finds_its_programs_whatever_is_in_the_path(tmp_path):
    folder = tmp_path / """a "quoted" $HOME's `folder`"""
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "tools").mkdir()
    shutil.copyfile(ROOT / "tools" / "run.py", folder / "tools" / "run.py")
    for name in (
        "requirements.lock",
        "requirements-torch.txt",
        "requirements-torch-cpu.txt",
        "pyproject.toml",
        ".venv/ready",
    ):
        (folder / name).touch()
    program = folder / ".venv" / "bin" / "pytest"
    program.write_text('#!/bin/sh\necho "the program in .venv: $*"\n')
    program.chmod(0o755)
    done = subprocess.run(["make", "test"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert "the program in .venv: -rs" in done.stdout, done.stdout + done.stderr


def test_a_python_without_the_package_is_told_how_to_install_it(fresh, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'algoreg':\n"
        "            raise ModuleNotFoundError('No module named algoreg', name='algoreg')\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    done = snakemake(fresh, "-n", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode != 0
    assert f"{sys.executable} has no algoreg: install the package" in done.stdout + done.stderr


def notebooks():
    """Return the sources of the notebooks."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path):
    """Return the code of a notebook, cell by cell."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def declared(path):
    """Return what a notebook says it reads: tables, figures, and the chapters of claims."""
    return json.loads(path.read_text(encoding="utf-8"))["metadata"]["algoreg"]


@pytest.mark.slow
def test_notebooks_whose_tables_a_tier_lacks_are_left_out_and_named(repository):
    set_yaml(repository / "config" / "smoke.yaml", "chapters", to=["simulations", "theorem", "remarks"])
    pages = repository / "results" / "smoke" / "notebooks"
    shutil.rmtree(pages)
    done = snakemake(repository, "notebooks")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    made = {page.stem[:2] for page in pages.glob("*.html")}
    assert made == {"00", "01", "02", "03", "08", "17", "18"}
    said = "Notebook 04_rank_one left out: tier smoke has no table dynamics_course, no table rank_one_dynamics, no claims of proof."
    assert said in output
    assert (
        "Notebook 16_is_it_a_norm left out: tier smoke has no figure norm_growth, no figure spectral_networks" in output
    )


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_notebooks_declare_what_they_read_and_no_more(path):
    """But for tables that a cell can do without, which are patterns: it asks whether there is one."""
    code, says = "\n".join(code_cells(path)), declared(path)
    named = set(re.findall(r'"(\w+)\.csv"', code)) | set(re.findall(r'\b(?:read|table)\("(\w+)"\)', code))
    assert named <= {name.removesuffix("*") for name in says["tables"]}
    shown = re.findall(r'\b(?:tier\.figure\("(\w+)"\)|glob\("(\w+\*)\.png"\))', code)
    assert says["figures"] == [one or pattern for one, pattern in shown]
    shown = re.findall(r"\btier\.verdicts\(([^)\[]*)", code)
    assert not shown or says["claims"] == re.findall(r'"(\w+)"', shown[0])
    assert not re.search(r"make \{|make tiny", code)


def fetched(page):
    """Return what a browser would fetch from elsewhere for a page; links that a reader may follow are none of it."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|object|embed)\b[^>]*>", page)
    urls = [url for tag in tags for url in re.findall(r'(?:src|href|data)\s*=\s*["\']?([^"\'\s>]+)', tag)]
    styles = "\n".join(re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL))
    urls += re.findall(r"url\(\s*[\"']?([^\"')]+)", styles) + re.findall(r"@import\s+[\"']([^\"']+)", styles)
    scripts = "\n".join(re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))
    urls += re.findall(r"(?:https?:)?//[\w.-]+\.\w+/\S*", scripts)
    return [url for url in urls if not url.startswith(("data:", "#"))]


def test_executed_notebooks_fetch_nothing(smoke):
    pages = sorted((smoke / "results" / "smoke" / "notebooks").glob("*.html"))
    # Scratch repositories lack the chapters that some of them read.
    found = load_chapters(SCRATCH_CHAPTERS)
    claims = [entry for entry in registered_claims() if entry["chapter"] in SCRATCH_CHAPTERS]
    tier = compose(load_yaml(ROOT / "config" / "smoke.yaml"), found)
    reads = jobs.notebooks(tier, claims, ROOT / "notebooks")
    assert {page.stem for page in pages} == {name for name, one in reads.items() if not one["lacking"]}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert fetched(text) == [], page.name
        assert text.count('<details class="code">') == len(code_cells(ROOT / "notebooks" / f"{page.stem}.ipynb"))


def test_what_is_fetched_would_be_seen():
    from nbconvert import HTMLExporter
    from nbformat import v4

    page, _ = HTMLExporter().from_notebook_node(v4.new_notebook(cells=[v4.new_code_cell("1")]))
    found = fetched(page)
    assert any("require" in url for url in found)
    assert any("mathjax" in url.lower() for url in found)
