"""The explorer: its parts, and in a real browser its numbers, controls, address and layouts."""

import re
import time

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import ROOT, browser_module
from PIL import Image

from algoreg import plugins
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error as error_of
from algoreg.numerics.trace_minimisation import minimum_trace
from algoreg.regression import references
from algoreg.reporting import explorer
from algoreg.settings import options as declared

PARTS = ROOT / "workflow" / "report" / "explorer"
# Of exponents, as the page writes them.
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
PHONE = {"width": 390, "height": 844}
STEPS, SEED = 500, 11
# The explorer's methods, the package's algorithms, and what their runs are told.
METHODS = {
    "descent": ("factored", {}),
    "momentum": ("accelerated", {"momentum": 0.75}),
    "normalised": ("optimiser", {"geometry": "normalised"}),
    "sign": ("optimiser", {"geometry": "sign"}),
    "adam": ("optimiser", {"geometry": "adam", "momentum": 0.9}),
    "polar": ("optimiser", {"geometry": "polar"}),
    "muon": ("optimiser", {"geometry": "newton_schulz", "momentum": 0.95, "momentum_form": "nesterov"}),
    "depth": ("deep", {"depth": 3}),
    "depth 2": ("deep", {"depth": 2}),
    "depth 4": ("deep", {"depth": 4}),
    "width": ("factored", {"width": 2}),
    "projected": ("projected", {}),
    "search": ("rank_search", {"momentum": 0.5, "stall": 0.99}),
    "matrix": ("unprojected", {}),
}
# Muon's approximation magnifies small singular values, and with them what rounding leaves, step by step: it is compared
# while that is far below the tolerance.
FEWER = {"muon": 250}
# Of methods whose steps have a length of their own: the first and the last step of the runs compared.
LENGTH, LAST = 0.05, 0.05e-4
# In the page: a run of a given problem by the page's own worker, to its end.
TO_THE_END = """([problem, settings]) => new Promise((done) => {
  const code = document.getElementById("worker").textContent;
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => {
    const last = data.records.at(-1);
    if (last && (last.diverged || last.step === settings.steps)) done({ ...last, values: [...last.values], rate: data.rate });
    else worker.postMessage({ kind: "to", id: 1, to: settings.steps });
  };
  worker.postMessage({ kind: "start", id: 1, settings, problem });
})"""


def committed():
    return references.read_table(ROOT / "reference" / "standard" / "theorem" / "samples_r.csv")


def test_the_map_has_the_medians_of_the_committed_table():
    table = committed()
    found = explorer.measured(table)
    assert found["ranks"] == sorted(table["rank"].unique())
    assert len(found["ratios"]) == len(found["errors"][0]) == table.groupby("rank")["m"].nunique().max()
    rows = table[(table["spectrum"] == "flat") & (table["rank"] == 3)]
    ms = sorted(rows["m"].unique())
    for m, error in zip(ms, found["errors"][2], strict=True):
        assert error == pytest.approx(np.median(rows.loc[rows["m"] == m, "test_error"]), rel=1e-2)


def test_a_table_of_two_sizes_has_no_map():
    table = pd.DataFrame({"spectrum": ["flat"] * 2, "d": [8, 9], "alpha": [0.1] * 2, "rank": [1, 1], "m": [9, 9]})
    with pytest.raises(ValueError, match="d has 2 values: allowed is one"):
        explorer.measured(table.assign(test_error=0.5))


@pytest.fixture(scope="session")
def page_file(tmp_path_factory):
    """Return the explorer, written as the workflow writes it."""
    text = explorer.render(PARTS, PARTS.parent / "page" / "page.css", committed())
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.any_kernels
def test_it_is_one_small_file_whose_policy_lets_nothing_else_in(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert len(text.encode()) < 200_000
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "worker-src blob:" in policy
    assert "unsafe-eval" not in policy
    assert re.findall(r'(?:src|href)="(?!data:|#|report/index.html)', text) == []


def exported():
    """Return a problem of the package with noisy labels, and what the worker is given of it."""
    ensemble = Ensemble.draw(12, 60, SEED, 0)
    draw = np.random.default_rng(SEED)
    factor = draw.standard_normal((12, 2)) / np.sqrt(12)
    target = torch.from_numpy(factor @ factor.T)[None]
    labels = ensemble.label(target) + 0.05 * torch.from_numpy(draw.standard_normal((1, 60)))
    given = {
        "d": 12,
        "rows": ensemble.rows.numpy().ravel().tolist(),
        "labels": labels[0].tolist(),
        "target": target.numpy().ravel().tolist(),
        "planted": np.linalg.eigvalsh(target[0].numpy())[::-1][:2].tolist(),
    }
    return ensemble, labels, target, given


def settings_of(method, **changes):
    return {
        "method": method,
        "rank": 2,
        "alpha": 0.01,
        "eta": 0.2,
        "seed": SEED,
        "steps": STEPS,
        "layers": 3,
        **changes,
    }


@pytest.mark.browser
@pytest.mark.parametrize("method", METHODS)
def test_its_numbers_are_the_packages(opened, page_file, method):
    ensemble, labels, target, given = exported()
    name, options = METHODS[method]
    steps = FEWER.get(method, STEPS)
    known = {"alpha": 0.01, "start": "zero" if name == "projected" else "identity", "step": 0.2}
    if name == "optimiser":
        known |= {"step": LENGTH, "last_step": LAST, "iterations": steps}
    run = {**declared.of_runs(name), **known, **options, "m": ensemble.m, "target": 0}
    algorithm = plugins.algorithm(name)(ensemble, labels, [run], SEED)
    estimate = algorithm.estimate(algorithm.advance(algorithm.initial(), 0, steps))
    train, test = float(ensemble.train_error(estimate, labels)[0]), float(error_of(estimate, target)[0])
    page = opened(page_file)
    method, *layers = method.split()
    told = settings_of(method, eta=known["step"], layers=int((layers or [3])[0]), steps=steps)
    found = page.evaluate(TO_THE_END, [given, told])
    assert found["step"] == steps
    assert found["train"] == pytest.approx(train, rel=1e-9, abs=0)
    assert found["test"] == pytest.approx(test, rel=1e-9, abs=0)
    # Noise keeps the errors away from where rounding would be all of them.
    assert min(train, test) > 1e-6
    leading = torch.linalg.eigvalsh(estimate[0]).flip(0)[:3].tolist()
    assert found["values"][:3] == pytest.approx(leading, rel=1e-8, abs=1e-14)


@pytest.mark.browser
def test_single_samples_take_the_steps_of_a_plain_loop(opened, page_file):
    ensemble, labels, target, given = exported()
    page = opened(page_file)
    settings = settings_of("sgd", eta=0.01)
    numerics = (PARTS / "numerics.js").read_text(encoding="utf-8")
    order = page.evaluate(
        f"{{ {numerics}; const next = Numerics.uniform('samples {SEED}'); Array.from({{ length: {STEPS} }}, () => Math.floor(next() * 60)); }}"
    )
    assert len(set(order)) > 50
    matrices, y, u = plain.unpack(ensemble.rows.numpy(), 12), labels[0].numpy(), 0.01 * np.eye(12)
    for i in order:
        u = u - 0.01 * (np.vdot(matrices[i], u @ u.T) - y[i]) * matrices[i] @ u
    gap = np.linalg.norm(u @ u.T - target[0].numpy()) / np.linalg.norm(target[0].numpy())
    assert page.evaluate(TO_THE_END, [given, settings])["test"] == pytest.approx(gap, rel=1e-9, abs=0)


@pytest.mark.browser
def test_how_many_steps_a_second_it_takes_is_told(opened, page_file, record_property):
    settings = {**settings_of("descent", alpha=1e-4, steps=300), "d": 32, "ratio": 5, "kappa": 1, "noise": 0}
    rate = opened(page_file).evaluate(TO_THE_END, [None, settings])["rate"]
    record_property("steps_per_second", rate)
    print(f"d = 32, m = 5dr = 320: {rate:.0f} steps a second")
    assert rate > 0


def ended(page):
    """Let the runs take no longer than they need, and wait for their end; return what is said of it."""
    page.locator("#lasts").select_option("0")
    # Machines are shared.
    deadline = time.monotonic() + 180
    while page.locator("#play").inner_text() != "Run again":
        assert time.monotonic() < deadline, page.locator("#now").inner_text()
        page.wait_for_timeout(50)
    return page.locator("#now").inner_text()


def row(page, letter="A"):
    """Return what the table says of a run: step, errors and the two eigenvalues."""
    return page.locator(f"#row-{letter} td").all_inner_texts()[:5]


@pytest.mark.browser
def test_every_preset_shows_what_it_says(opened, page_file):
    page = opened(page_file)
    words, training = {}, {}
    for name in [preset["name"] for preset in explorer.presets(PARTS)]:
        page.get_by_role("link", name=name).click()
        page.wait_for_timeout(200)
        words[name] = ended(page)
        shown = [row(page, letter)[1] for letter in "ABCD" if page.locator(f"#row-{letter}").is_visible()]
        training[name] = [float(one.replace("·10⁻", "e-").translate(DIGITS)) for one in shown]
        assert page.locator("#presets [aria-current=true]").all_inner_texts() == [name]
        assert page.locator("#said").is_hidden()
    for name in ("Large initialisation", "Figure 4’s point"):
        assert words[name].startswith("Run A finds X*")
        assert "Run B fits the measurements with something else than X*" in words[name]
    assert words["Depth"].startswith("Run A fits the measurements with something else than X*")
    assert "Run B finds X*" in words["Depth"]
    noise = words["Noise needs early stopping"]
    assert "Its test error was smallest" in noise.split("Run B")[0]
    assert "Run B finds X*" in noise
    assert words["Below least trace"].startswith("Run A finds X*")
    others = words["Other optimisers"]
    assert others.startswith("Run A finds X*")
    assert all(f"Run {letter} finds X*" not in others for letter in "BCD")
    # Each of them fits the measurements, as far as descent does or farther.
    first, *rest = training["Other optimisers"]
    assert len(rest) == 3
    assert max(rest) <= first < 0.1
    assert all(f"Run {letter} finds X*" in words["Which eigenvalue first"] for letter in "ABCD")
    with page.expect_download() as download:
        page.locator("#numbers").click()
    table = pd.read_csv(download.value.path())
    order = {}
    for letter in "AD":
        run = table[table["run"] == letter]
        # κ = 4: eigenvalues 1, 1/2 and 1/4.
        order[letter] = [run.loc[run[f"eigenvalue_{k + 1}"] > 0.9 * 2.0**-k, "step"].min() for k in range(3)]
    assert order["A"] == sorted(order["A"])
    assert order["D"] == sorted(order["D"], reverse=True)
    assert len(set(order["A"])) == len(set(order["D"])) == 3


@pytest.mark.browser
def test_least_trace_misses_the_target_of_its_preset(opened, page_file):
    settings = {"d": 32, "rank": 2, "ratio": 1.4, "kappa": 1, "noise": 0, "seed": 2}
    numerics = (PARTS / "numerics.js").read_text(encoding="utf-8")
    drawn = opened(page_file).evaluate(
        f"(settings) => {{ {numerics}; const {{ rows, labels, target }} = Numerics.draw(settings); return [rows, labels, target].map((one) => [...one]); }}",
        settings,
    )
    rows, labels, target = (np.array(one) for one in drawn)
    found, status = minimum_trace(rows.reshape(len(labels), -1), 32, labels, "scs")
    assert status == "converged"
    assert np.linalg.norm(found - target.reshape(32, 32)) > 0.1 * np.linalg.norm(target)


@pytest.mark.browser
def test_an_address_holds_the_run(opened, page_file):
    page = opened(page_file, "#method=depth&d=16&r=3&m=2.5&a=0.001&eta=0.25&k=2&noise=0.1&seed=9&steps=200&vary=m&to=4")
    ended(page)
    assert page.locator("#said").is_hidden()
    assert page.locator("#set-method").input_value() == "depth"
    assert [page.locator(f"#is-{name}").inner_text() for name in ("d", "r", "m", "a", "k")] == [
        "16",
        "3",
        "2.5",
        "0.001",
        "2",
    ]
    first = row(page), row(page, "B")
    assert first[0] != first[1]
    page.locator("#set-noise").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert "noise=0.15" in page.url
    ended(page)
    second, address = (row(page), row(page, "B")), page.url.split("#")[1]
    assert second[0] != first[0]
    again = opened(page_file, f"#{address}")
    ended(again)
    assert (row(again), row(again, "B")) == second
    assert again.url.split("#")[1] == address


@pytest.mark.browser
def test_a_link_out_of_range_is_clamped_and_said(opened, page_file):
    page = opened(page_file, "#d=500&a=0&eta=x&method=newton&steps=2&m=0.5&r=2.4&constructor=1&vary=__proto__&to=<b>")
    ended(page)
    said = page.locator("#said").inner_text()
    for words in (
        "Size d of X = 500 is outside 8 to 128: 128 is taken.",
        "Initialisation α, from αI = 0 is outside 10⁻⁸ to 1: 10⁻⁸ is taken.",
        "Step η = “x” is no number: 0.2 is taken.",
        "There is no method “newton”",
        "Rank r of X* = 2.4 is between two possible values: 2 is taken.",
        "The link's “constructor” is unknown and left out.",
        "Runs cannot differ in “__proto__”",
    ):
        assert words in said
    assert "d=128" in page.url
    assert page.locator("#row-B").is_hidden()


@pytest.mark.browser
def test_a_seed_that_cannot_be_is_replaced_and_said(opened, page_file):
    page = opened(page_file, "#d=8&steps=20&seed=3")
    ended(page)
    page.locator("#set-seed").fill("10000")
    page.locator("#set-seed").press("Enter")
    page.wait_for_timeout(300)
    assert "seed=9999" in page.url
    assert page.locator("#said").inner_text() == "Draw (seed) = 10000 is outside 1 to 9999: 9999 is taken."
    page.locator("#set-noise").press("ArrowRight")
    assert page.locator("#said").is_hidden()


@pytest.mark.browser
def test_every_control_has_the_name_that_stands_at_it(opened, page_file):
    page = opened(page_file, "#d=8&steps=20&vary=a&to=1")
    ended(page)
    controls = page.locator("#controls input, #controls select")
    named = controls.evaluate_all("all => all.map((one) => one.labels[0]?.textContent ?? one.ariaLabel)")
    assert len(named) == 14
    assert all(named)
    assert page.get_by_role("slider", name="Size d of X").count() == 1


@pytest.mark.browser
def test_a_step_that_waits_does_not_outlive_a_reset(opened, page_file):
    page = opened(page_file, "#d=8&steps=20")
    ended(page)
    page.evaluate("['reset', 'step', 'reset'].forEach((id) => document.getElementById(id).click())")
    page.wait_for_timeout(400)
    assert row(page)[0] == "0"


@pytest.mark.browser
def test_a_run_may_have_more_eigenvalues_than_a_function_has_arguments(opened, page_file):
    page = opened(page_file, "#d=8&steps=20")
    script = (PARTS / "state.js").read_text(encoding="utf-8") + (PARTS / "charts.js").read_text(encoding="utf-8")
    long = "[{ history: Array.from({ length: 9000 }, (_, i) => ({ values: Float64Array.from({ length: 48 }, () => 10 ** (-i % 5)) })) }]"
    assert page.evaluate(f"() => {{ {script}; return Charts.spectra({long}); }}") == [-2, 1]


@pytest.mark.browser
def test_a_run_that_diverges_says_so_and_stops(opened, page_file):
    page = opened(page_file, "#d=16&eta=3&m=5&a=0.01&steps=500")
    words = ended(page)
    assert re.match(r"The run diverged at step \d+ and stops there", words)
    assert int(row(page)[0]) < 100


@pytest.mark.browser
@pytest.mark.parametrize("method", ["momentum", "sgd"])
def test_divergence_is_seen_at_its_step_where_no_step_needs_the_errors(opened, page_file, method):
    settings = {**settings_of(method, eta=1, alpha=0.01), "d": 16, "ratio": 3, "kappa": 1, "noise": 0}
    numerics = (PARTS / "numerics.js").read_text(encoding="utf-8")
    ends = opened(page_file).evaluate(
        f"""(settings) => {{ {numerics}; return [false, true].map((looks) => {{
          const run = Numerics.run(Numerics.draw(settings), settings);
          while (run.iteration < 500 && !run.diverged) {{ run.step(); if (looks) run.look(); }}
          return run.iteration;
        }}); }}""",
        settings,
    )
    assert ends[0] == ends[1] < 500


@pytest.mark.browser
def test_one_sample_a_step_gets_a_step_that_it_bears(opened, page_file):
    page = opened(page_file, "#d=32&steps=300&eta=0.2")
    page.locator("#set-method").select_option("sgd")
    page.wait_for_timeout(300)
    said = "One sample a step needs a smaller step than η = 0.2: η = 0.019 and 3200 steps are set."
    assert page.locator("#said").inner_text() == said
    assert "eta=0.019" in page.url
    assert page.locator("#is-eta").inner_text() == "0.019"
    assert ended(page).startswith("The run finds X*")
    # What is small enough stays, and so does what a link says.
    page.locator("#set-method").select_option("descent")
    page.locator("#set-method").select_option("sgd")
    page.wait_for_timeout(300)
    assert page.locator("#said").is_hidden()
    assert "eta=0.2" in opened(page_file, "#d=8&steps=20&eta=0.2&method=sgd").url


@pytest.mark.browser
def test_a_second_run_of_one_sample_a_step_gets_it_too(opened, page_file):
    page = opened(page_file, "#d=16&steps=300&eta=0.2&vary=method&to=projected")
    page.locator("#set-B").select_option("sgd")
    page.wait_for_timeout(300)
    assert "η = 0.037 and 1600 steps are set" in page.locator("#said").inner_text()
    words = ended(page)
    assert "Run A finds X*" in words
    assert "Run B finds X*" in words


@pytest.mark.browser
def test_runs_that_are_stepped_to_their_end_end(opened, page_file):
    page = opened(page_file, "#d=8&steps=20")
    ended(page)
    page.locator("#reset").click()
    for number in range(20):
        assert page.locator("#play").inner_text() == "Run"
        page.locator("#step").click()
        page.wait_for_timeout(150)
        assert row(page)[0] == str(number + 1)
    assert page.locator("#play").inner_text() == "Run again"
    assert page.locator("#step").is_disabled()
    assert page.locator("#now").inner_text().startswith("The run ")


@pytest.mark.browser
def test_it_works_by_keyboard(opened, page_file):
    page = opened(page_file, "#d=16&steps=400")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in range(32):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    wanted = [
        "play",
        "step",
        "reset",
        "lasts",
        "back",
        "set-method",
        "set-d",
        "set-a",
        "set-seed",
        "new",
        "set-steps",
        "vary",
    ]
    assert [name for name in reached if name in wanted] == wanted
    page.locator("#reset").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert row(page)[0] == "0"
    page.locator("#step").focus()
    for _ in range(3):
        page.keyboard.press("Space")
        page.wait_for_timeout(200)
    assert row(page)[0] == "3"
    page.locator("#play").focus()
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Pause"
    page.wait_for_timeout(500)
    page.keyboard.press("Space")
    assert page.locator("#now").inner_text() == "Paused."
    page.wait_for_timeout(200)
    assert 3 < int(row(page)[0].replace("\u2009", "")) < 400
    page.locator("#back").focus()
    page.keyboard.press("Home")
    assert row(page)[0] == "0"
    page.locator("#set-a").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#set-a").get_attribute("aria-valuetext") == "1.8·10⁻⁴"
    page.locator("#vary").focus()
    page.keyboard.press("ArrowDown")
    page.locator("#row-B").wait_for()
    assert "vary=method" in page.url


@pytest.mark.browser
def test_up_to_four_runs_stand_side_by_side(opened, page_file):
    page = opened(page_file, "#d=8&steps=20&m=2&vary=a&to=0.1")
    ended(page)
    for letters in ("ABC", "ABCD"):
        page.locator("#add").click()
        page.wait_for_timeout(300)
        ended(page)
        assert [one for one in "ABCD" if page.locator(f"#row-{one}").is_visible()] == list(letters)
        assert [one for one in "ABCD" if page.locator(f"#values-{one}").is_visible()] == list(letters)
    assert page.locator("#add").is_hidden()
    # Each has a value of its own.
    assert len({page.locator(f"#is-{one}").inner_text() for one in ("a", *"BCD")}) == 4
    address = page.url
    page.get_by_role("button", name="Remove run C").click()
    page.wait_for_timeout(300)
    ended(page)
    assert page.locator("#row-D").is_hidden()
    assert page.url.split("to=")[1].count("%2C") == 1
    again = opened(page_file, f"#{address.split('#')[1]}")
    ended(again)
    assert again.locator("#row-D").is_visible()
    # More than four are cut, and that is said.
    more = opened(page_file, "#d=8&steps=20&vary=seed&to=2,3,4,5")
    ended(more)
    assert more.locator("#said").inner_text() == "The link has 5 runs: the first 4 are shown."


@pytest.mark.browser
def test_layers_are_set_where_a_product_of_layers_runs(opened, page_file):
    page = opened(page_file, "#d=8&steps=20")
    ended(page)
    assert page.locator("#set-n").is_hidden()
    page.locator("#vary").select_option("n")
    page.wait_for_timeout(300)
    ended(page)
    assert page.locator("#set-method").input_value() == "depth"
    assert page.locator("#set-n").is_visible()
    assert "n=3" in page.url


@pytest.mark.browser
def test_link_picture_and_numbers_can_be_taken_away(opened, page_file, tmp_path):
    page = opened(page_file, "#d=8&steps=20&vary=m&to=5", permissions=["clipboard-read", "clipboard-write"])
    ended(page)
    page.locator("#copy").click()
    page.wait_for_timeout(200)
    assert page.locator("#now").inner_text().startswith("The link is copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    with page.expect_download() as download:
        page.locator("#numbers").click()
    download.value.save_as(tmp_path / "runs.csv")
    table = pd.read_csv(tmp_path / "runs.csv")
    assert table.groupby("run")["step"].agg(["min", "max"]).to_numpy().tolist() == [[0, 20], [0, 20]]
    last = table[(table["run"] == "B") & (table["step"] == 20)].iloc[0]
    # What the page shows has two digits.
    shown = float(row(page, "B")[2].replace("·10⁻", "e-").translate(DIGITS))
    assert shown == pytest.approx(last["test_error"], rel=0.06)
    assert last["m"] == 5 * 8 * 2
    with page.expect_download() as download:
        page.locator("#picture").click()
    download.value.save_as(tmp_path / "runs.png")
    with Image.open(tmp_path / "runs.png") as picture:
        assert picture.width > 600
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    """Return files of own measurements of a symmetric matrix, what they hold, and files that hold none."""
    folder, draw = tmp_path_factory.mktemp("own"), np.random.default_rng(SEED)
    factor, matrices, vectors = (draw.standard_normal(shape) for shape in ((9, 2), (40, 9, 9), (60, 9)))
    x = 7 * factor @ factor.T
    y, squares = np.einsum("kij,ij->k", matrices, x), np.einsum("ki,ij,kj->k", vectors, x, vectors)
    rows, columns = (one[::2] for one in np.triu_indices(9))
    np.savez(folder / "known.npz", A=matrices, y=y, X=x)
    np.savez_compressed(folder / "turned.npz", A=np.asfortranarray(matrices, dtype="f4"), y=y)
    np.savez(folder / "vectors.npz", vectors=vectors, y=squares)
    pd.DataFrame({"Row": rows, "column": columns, "value": x[rows, columns]}).to_csv(folder / "few.csv", index=False)
    entries = np.zeros((len(rows), 9, 9))
    entries[np.arange(len(rows)), rows, columns] = 1
    held = {
        "known.npz": (matrices, y),
        "turned.npz": (matrices, y),
        "vectors.npz": (vectors[:, :, None] * vectors[:, None, :], squares),
        "few.csv": (entries, x[rows, columns]),
    }
    spoilt = np.where(np.arange(40) == 3, np.nan, y)
    np.savez(folder / "pickled.npz", A=np.array([{}], dtype=object), y=y)
    np.savez(folder / "gaps.npz", A=matrices, y=spoilt)
    np.savez(folder / "misshapen.npz", A=matrices[:, :, :8], y=y)
    np.savez(folder / "unequal.npz", A=matrices, y=y[:-1])
    np.savez(folder / "others.npz", B=matrices, y=y)
    np.savez(folder / "complex.npz", A=matrices + 0j, y=y)
    np.savez(folder / "few.npz", A=matrices[:9], y=y[:9])
    np.savez(folder / "wide.npz", A=np.zeros((10, 130, 130), "i1"), y=np.ones(10))
    (folder / "none.npz").write_text("no zip file at all, but long enough")
    whole = (folder / "known.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[:2000] + whole[-300:])
    (folder / "notes.txt").write_text("x")
    (folder / "names.csv").write_text("user,item,rating\n1,2,3\n")
    (folder / "twice.csv").write_text("row,column,value\n0,1,3\n1,0,4\n")
    (folder / "hole.csv").write_text("row,column,value\n0,1,\n")
    return folder, x, held


def packed(matrices):
    """Return symmetric parts as vectors whose inner products are those of the matrices."""
    i, j = np.triu_indices(matrices.shape[-1])
    sides = matrices[..., i, j] + matrices[..., j, i]
    return sides * np.where(i == j, 0.5, np.sqrt(0.5))


@pytest.mark.browser
def test_files_of_own_measurements_become_problems(opened, page_file, own_files):
    folder, x, held = own_files
    scripts = "".join((PARTS / name).read_text(encoding="utf-8") for name in ("numerics.js", "data.js"))
    page = opened(page_file)
    for name, (matrices, y) in held.items():
        content = list((folder / name).read_bytes())
        read = page.evaluate(
            f"""async (file) => {{
              {scripts};
              const [name, content] = file;
              const found = await Data.read(new File([Uint8Array.from(content)], name)), settings = {{ method: "descent", alpha: 0.1, eta: 0.1, rank: 2, seed: 5 }};
              const problem = Numerics.given(found, settings), run = Numerics.run(problem, settings);
              for (let i = 0; i < 30; i++) run.step();
              const plain = ({{ rows, labels }}) => [[...rows], [...labels]], {{ x, test }} = run.look();
              return {{ ...found, rows: [...found.rows], labels: [...found.labels], target: found.target && [...found.target], planted: [...found.planted],
                known: plain(problem), held: problem.held && plain(problem.held), x: [...x], test }};
            }}""",
            [name, content],
        )
        m, unit = len(y), read["unit"]
        rows, labels = np.reshape(read["rows"], (m, -1)), np.array(read["labels"])
        size = rows.shape[1]
        assert (read["m"], read["d"], size) == (m, 9, 45)
        # One scale for all rows, and X in units of `unit` explains the labels.
        scale = np.linalg.norm(rows) / np.linalg.norm(packed(matrices))
        np.testing.assert_allclose(rows, scale * packed(matrices), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(rows @ packed(x) / unit, labels, rtol=1e-5, atol=1e-6)
        assert np.mean(labels**2) == pytest.approx(1)
        largest = np.linalg.eigvalsh(rows.T @ rows / m)[-1]
        assert largest == pytest.approx((1 + np.sqrt(size / m)) ** 2, rel=0.05)
        found = np.reshape(read["x"], (9, 9))
        if name == "known.npz":
            np.testing.assert_allclose(np.reshape(read["target"], (9, 9)) * unit, x, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(np.multiply(read["planted"], unit), np.linalg.eigvalsh(x)[::-1][:2], rtol=1e-9)
            assert read["test"] == pytest.approx(np.linalg.norm(found * unit - x) / np.linalg.norm(x), rel=1e-9)
            continue
        # A tenth is held out, and nothing else than that is missing from what descent knows.
        assert len(read["held"][1]) == round(m / 10)
        assert sorted([*read["known"][1], *read["held"][1]]) == sorted(labels)
        kept, missing = np.reshape(read["held"][0], (-1, size)), np.array(read["held"][1])
        assert read["test"] == pytest.approx(np.linalg.norm(kept @ packed(found) - missing) / np.linalg.norm(missing))


@pytest.mark.browser
def test_a_file_is_run_and_another_problem_comes_back(opened, page_file, own_files):
    page = opened(page_file, "#d=8&steps=400&vary=d&to=10")
    ended(page)
    page.locator("#file").set_input_files(own_files[0] / "vectors.npz")
    page.locator("#said", has_text="vectors.npz is read. It stays on your machine.").wait_for()
    assert re.match(r"The run ends with error \S+ on what it knows and \S+ on the tenth held out", ended(page))
    assert "m = 60 measurements of a symmetric X of size d = 9" in page.locator("#counts").inner_text()
    assert page.locator("#row-B").is_hidden()
    assert page.locator("#set-d").is_disabled()
    assert page.locator("#map").is_hidden()
    assert page.locator("#matrix-target").is_hidden()
    # Dropped on the page; the settings stay, and so does what they are compared in.
    page.locator("#vary").select_option("method")
    content = list((own_files[0] / "known.npz").read_bytes())
    page.evaluate(
        """(content) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(content)], "known.npz"));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    page.locator("#said", has_text="known.npz is read.").wait_for()
    words = ended(page)
    assert "Run A finds X*" in words
    assert page.locator("#matrix-target").is_visible()
    # Eigenvalues are the file's, not those of the scaled problem.
    top = float(np.linalg.eigvalsh(own_files[1])[-2])
    assert float(row(page)[3]) == pytest.approx(top, rel=0.1)
    page.locator("#forget").click()
    ended(page)
    assert page.locator("#set-d").is_enabled()
    assert page.locator("#map").is_visible()


@pytest.mark.browser
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence_and_nothing_is_lost(opened, page_file, own_files):
    page = opened(page_file, "#d=8&steps=20")
    ended(page)
    page.locator("#file").set_input_files(own_files[0] / "vectors.npz")
    page.locator("#said", has_text="is read").wait_for()
    page.locator("#now", has_text="held out").wait_for()
    ended(page)
    before = row(page)
    for name, words in {
        "pickled.npz": "has Python objects in A (pickles), which are not read: save numbers",
        "gaps.npz": "has NaN in y: allowed are finite numbers",
        "misshapen.npz": "has A of shape (40,9,8): allowed is (m, d, d)",
        "unequal.npz": "has y of shape (39): allowed is (40), as A has 40 measurements",
        "others.npz": "has B, y: allowed are A or vectors, y and perhaps X",
        "complex.npz": "has A of type <c16: allowed are real numbers, such as <f8, <f4, <i8, <i4",
        "few.npz": "has 9 measurements: allowed are 10 and more",
        "wide.npz": "has matrices of size d = 130: allowed is 2 to 128",
        "none.npz": "is no npz: it does not end as a zip file does",
        "cut.npz": "could not be read: it is broken, or no file of its kind",
        "notes.txt": "is neither .npz nor .csv",
        "names.csv": "begins with “user,item,rating”: allowed are the columns row, column and value",
        "twice.csv": "has two values of entry (1, 0), which a symmetric matrix has once",
        "hole.csv": "has no finite value in line 2: leave out what is not known",
    }.items():
        page.locator("#file").set_input_files(own_files[0] / name)
        page.locator("#said", has_text="as before").filter(has_text=name).wait_for()
        assert page.locator("#said").inner_text() == f"{name} {words}. Everything is as before."
        assert row(page) == before
    page.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(151e6)], "large.npz"));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }"""
    )
    page.locator("#said", has_text="large.npz has 151 MB: at most 150 MB are read").wait_for()
    assert row(page) == before


@pytest.mark.browser
def test_measurements_that_would_not_fit_into_memory_are_fewer_and_that_is_said(opened, page_file):
    script = (PARTS / "state.js").read_text(encoding="utf-8")
    state, said = opened(page_file).evaluate(
        f"() => {{ {script}; const said = [], {{ state }} = State.read('#d=32&r=8&m=9&vary=d&to=128'); State.bound(state, said); return [state, said]; }}"
    )
    assert state["m"] * 128 * 8 * 128 * 129 / 2 <= 2**23 < (state["m"] + 0.1) * 128 * 8 * 128 * 129 / 2
    assert said == [
        f"m/(dr) = 9 would be more than 8 million numbers in the measurement matrices of a run: {state['m']} is taken."
    ]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE["width"], 1280])
def test_it_fits_phones_and_has_no_serious_finding(opened, page_file, scheme, width):
    axe = browser_module("axe_playwright_python.sync_playwright")
    page = opened(page_file, viewport={"width": width, "height": 844}, color_scheme=scheme)
    ended(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    for canvas in page.locator("canvas:visible").all():
        assert len(canvas.get_attribute("aria-label")) > 10
        assert (
            canvas.evaluate("one => new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data).size")
            > 10
        )


@pytest.mark.browser
def test_reduced_motion_shows_the_end_alone(opened, page_file):
    page = opened(page_file, "#d=16&steps=300", reduced_motion="reduce")
    deadline, seen = time.monotonic() + 60, set()
    while page.locator("#play").inner_text() != "Run again":
        assert time.monotonic() < deadline
        seen.add(page.locator("#back-at").inner_text())
    # No picture of the way lies between the first and the last.
    assert seen <= {"0", "300"}
    assert row(page)[0] == "300"


@pytest.mark.browser
@pytest.mark.parametrize("lacking", ["workers", "scripts"])
def test_without_workers_or_scripts_there_is_a_picture_and_a_sentence(browser, page_file, lacking):
    context = browser.new_context(java_script_enabled=lacking != "scripts")
    context.add_init_script("delete window.Worker")
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("#still svg").is_visible()
    assert page.locator("#live").is_hidden()
    assert "measured" in page.locator("#unable").inner_text()
    assert ("background scripts" in page.locator("#unable").inner_text()) == (lacking == "workers")
    context.close()


def test_a_picture_without_scripts_is_the_map():
    found = explorer.boxes({"ranks": [1, 2], "errors": [[1.2, 0.001], [0.1, 1e-5]]})
    assert [(box["x"], box["y"], box["share"]) for box in found] == [(0, 1, 0), (1, 1, 1), (0, 0, 0.33), (1, 0, 1)]
