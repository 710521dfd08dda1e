"""The page of a recovery: one HTML file with its pictures in it."""

import html
import io
from typing import Any

import numpy as np

from algoreg.tell.charts import style


def page(estimator: Any, name: str, X: Any, y: np.ndarray) -> str:
    """Return the page: eigenvalues along the path, errors and where it stopped, residuals, what was assumed and said."""
    facts = {
        "estimator": repr(estimator),
        "measurements": len(y),
        "method": estimator.method_,
        "stopped by": f"{estimator.stop_}, at iteration {estimator.n_iter_}",
        "start scale α": f"{estimator.alpha_:g}",
        "step": f"{estimator.step_:.3g}",
        "effective rank": f"{estimator.effective_rank_:.2f}",
        "R² on all measurements, those held out included": f"{estimator.score(X, y):.4f}",
        "rank accepted by χ²": "no noise was given"
        if estimator.rank_test_ is None
        else estimator.rank_test_["accepted"],
    }
    rows = "".join(
        f"<tr><th>{html.escape(key)}</th><td>{html.escape(str(value))}</td></tr>" for key, value in facts.items()
    )
    said = "".join(f"<li>{html.escape(line)}</li>" for line in estimator.warnings_) or "<li>nothing</li>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Recovery of {html.escape(name)}</title><style>body{{font:16px sans-serif;max-width:60rem;margin:auto;"
        "padding:1rem}svg{max-width:100%;height:auto;background:#fff}th{text-align:left;padding-right:1rem;"
        f"vertical-align:top}}td{{overflow-wrap:anywhere}}</style><h1>Recovery of {html.escape(name)}</h1>"
        f"<table>{rows}</table><h2>Warnings</h2><ul>{said}</ul>{_picture(estimator, X, y)}</html>\n"
    )


def _picture(estimator, X, y):
    path, text = estimator.path_, io.StringIO()
    with style.style():
        figure, (left, middle, right) = style.plt.subplots(1, 3, figsize=(11, 3.4))
        left.plot(path["iteration"], path["eigenvalues"])
        left.set(xlabel="iteration", title="Eigenvalues along the path", xscale="symlog")
        middle.plot(path["iteration"], path["train_error"], label="training")
        if "holdout_error" in path:
            middle.plot(path["iteration"], path["holdout_error"], label="held out")
        middle.axvline(estimator.n_iter_, color="k", linestyle=":", label="kept")
        middle.set(xlabel="iteration", title="Relative error of labels", xscale="symlog", yscale="log")
        middle.legend(loc="upper right")
        right.hist(y - estimator.predict(X), bins=30)
        right.set(xlabel="label less prediction", title="Residuals")
        figure.savefig(text, format="svg", metadata={"Date": None})
        style.plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]
