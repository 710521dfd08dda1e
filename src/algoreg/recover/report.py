"""The page of a recovery: one HTML file that contains its figures."""

import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algoreg.reporting.charts import style

STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:auto;padding:1rem}
svg{max-width:100%;height:auto;background:#fff;border-radius:4px}.plots{display:flex;flex-wrap:wrap;gap:.5rem}.wide{overflow-x:auto}
table{border-collapse:collapse}th,td{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
td{overflow-wrap:anywhere}td.name{white-space:nowrap}td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
"""


@dataclass(frozen=True)
class Fit:
    """A method's fit: its estimator, or None and the reason ``failure`` if it failed."""

    method: str
    estimator: Any
    seconds: float
    failure: str = ""


def page(fits: Sequence[Fit], name: str, X: Any, y: np.ndarray) -> str:
    """Return the page of fits to the same data, of which the first is the result.

    It shows the parameters, the warnings, eigenvalues and errors along the path and where the fit stopped, residuals,
    and the methods side by side if there are several.
    """
    best, title = fits[0].estimator, f"Recovery of {html.escape(name)}"
    warnings = "".join(f"<li>{html.escape(line)}</li>" for line in best.warnings_) or "<li>none</li>"
    others = f"<h2>Methods side by side</h2>{_methods(fits)}" if len(fits) > 1 else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><div class=wide>{_facts(best, X, y)}</div>"
        f"<h2>Warnings</h2><ul>{warnings}</ul><h2>Along the path</h2><div class=plots>{_pictures(best, X, y)}</div>{others}</html>\n"
    )


def _facts(estimator: Any, X: Any, y: np.ndarray) -> str:
    facts = {
        "estimator": repr(estimator),
        "measurements": len(y),
        "method": estimator.method_,
        "stopped by": f"{estimator.stop_}, at iteration {estimator.n_iter_}",
        **(
            {}
            if estimator.step_ is None
            else {"scale α of the initialisation": f"{estimator.alpha_:g}", "step": f"{estimator.step_:.3g}"}
        ),
        "effective rank": f"{estimator.effective_rank_:.2f}",
        "R² on all measurements, including those held out": f"{estimator.score(X, y):.4f}",
        "rank accepted by χ²": _accepted(estimator),
    }
    if hasattr(estimator, "white_noise_"):
        facts["share of white noise"] = f"{estimator.white_noise_:.4f}"
    rows = (f"<tr><th>{html.escape(key)}</th><td>{html.escape(str(value))}</td></tr>" for key, value in facts.items())
    return f"<table>{''.join(rows)}</table>"


def _accepted(estimator: Any) -> Any:
    """Return the rank that the χ² test accepts, or why there is none."""
    if estimator.rank_test_ is None:
        return "not tested"
    return estimator.rank_test_["accepted"] or "none that was tested"


def _methods(fits: Sequence[Fit]) -> str:
    """Return a table of errors, effective rank, iterations and seconds of every method."""
    names = ("method", "training error", "error of held-out observations", "effective rank", "iterations", "seconds")
    rows = "".join(f"<th>{name}</th>" for name in names)
    for fit in fits:
        if fit.estimator is None:
            cells = f"<td colspan={len(names) - 1}>{html.escape(fit.failure)}</td>"
        else:
            path, kept = fit.estimator.path_, fit.estimator.n_iter_
            at = max(0, int(np.searchsorted(path["iteration"], kept, side="right")) - 1)
            held = path["holdout_error"][at] if "holdout_error" in path else np.nan
            numbers = [f"{path['train_error'][at]:.3g}", f"{held:.3g}" if np.isfinite(held) else "–"]
            numbers += [f"{fit.estimator.effective_rank_:.2f}", str(kept), f"{fit.seconds:.1f}"]
            cells = "".join(f"<td class=number>{number}</td>" for number in numbers)
        rows += f"<tr><td class=name>{html.escape(fit.method)}</td>{cells}</tr>"
    return f"<div class=wide><table>{rows}</table></div><p>Errors are relative; all methods were given the same measurements.</p>"


def spectrum(estimator: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """Return iterations at which a fit's eigenvalues are known, these in falling order (iterations, k), and a name."""
    # Eigenvalues of large matrices are not kept at every snapshot.
    seen = np.isfinite(estimator.path_["eigenvalues"]).all(axis=1)
    values = estimator.path_["eigenvalues"][seen]
    what = "Singular values" if estimator.get_params().get("kind") == "rectangular" else "Eigenvalues"
    # The path orders them by size: two of opposite signs would change places there where their sizes cross.
    return estimator.path_["iteration"][seen], np.sort(values, axis=1)[:, ::-1], what


def _pictures(estimator: Any, X: Any, y: np.ndarray) -> str:
    """Return three figures, which the page shows side by side if there is room."""

    def eigenvalues(axes: Any) -> None:
        iterations, values, what = spectrum(estimator)
        axes.plot(iterations, values)
        axes.set(xlabel="iteration", title=f"{what} along the path", xscale="symlog", xlim=(0, None))

    def errors(axes: Any) -> None:
        axes.plot(path["iteration"], path["train_error"], label="training")
        if "holdout_error" in path:
            axes.plot(path["iteration"], path["holdout_error"], label="held out")
        axes.axvline(estimator.n_iter_, color="k", linestyle=":", label="kept")
        axes.set(
            xlabel="iteration", title="Relative error of observations", xscale="symlog", yscale="log", xlim=(0, None)
        )
        axes.legend(loc="lower left")

    def residuals(axes: Any) -> None:
        left = y - estimator.predict(X)
        # No bin may be narrower than the distance between numbers: for residuals that differ by rounding alone, numpy
        # makes none.
        spare = max(0.0, 64 * np.finfo(float).eps * np.abs(left).max() - np.ptp(left))
        axes.hist(left, bins=30, range=(left.min() - spare, left.max() + spare))
        # At most five ticks, because more long numbers overlap.
        axes.locator_params(axis="x", nbins=4)
        axes.set(xlabel="observation less prediction", ylabel="measurements", title="Residuals")

    path = estimator.path_
    return "".join(map(_picture, (eigenvalues, errors, residuals)))


def _picture(draw: Callable[[Any], None]) -> str:
    text = io.StringIO()
    with style.style():
        figure, axes = style.plt.subplots(figsize=(3.7, 3.2))
        draw(axes)
        figure.savefig(text, format="svg", metadata={"Date": None})
        style.plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]
