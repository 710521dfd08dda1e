"""The command ``algoreg``: recovery of a matrix from a file of measurements."""

import os
import shutil
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def algoreg() -> None:
    """Low-rank matrices from few measurements, without choosing a rank."""


@app.command(
    epilog="Examples: algoreg recover data.npz --out found  |  algoreg recover ratings.csv --out found --hold-out 0.2  |  "
    "algoreg recover table.csv --target price --out found --kind symmetric"
)
def recover(
    data: Annotated[
        Path, typer.Argument(help="npz: A and y, or rows, columns, values, or X and y. CSV: row, column, value.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder below this one.")],
    target: Annotated[str | None, typer.Option(help="The column of a CSV table that the others explain.")] = None,
    kind: Annotated[str | None, typer.Option(help="psd, symmetric or rectangular.")] = None,
    method: Annotated[str, typer.Option(help="An algorithm of the package.")] = "auto",
    stop: Annotated[str, typer.Option(help="auto, hold-out, folds, noise or budget.")] = "auto",
    noise: Annotated[float | None, typer.Option(help="Standard deviation of the labels' noise.")] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the measurements that is held out.")] = 0.1,
    max_iter: Annotated[int, typer.Option(help="Most iterations.")] = 5000,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Of what is held out.")] = 0,
) -> None:
    """Recover a matrix; writes matrix.npz, matrix.csv, report.html and provenance.json. Bad input: one line, exit 2."""
    try:
        place = _new_folder(out)
        from algoreg.recover import files

        name, X, y = files.read(data, target)
        options: dict[str, Any] = {
            "method": method,
            "stop": stop,
            "noise": noise,
            "hold_out": hold_out,
            "max_iter": max_iter,
            "device": device,
        }
        options |= {"random_state": seed, "verbose": typer.echo} | ({} if kind is None else {"kind": kind})
        found = _fit(name, options, X, y)
    except (ValueError, RuntimeError) as error:
        typer.echo(f"algoreg recover: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    _write(place, found, data, X, y)
    typer.echo(f"{out}: effective rank {found.effective_rank_:.2f}, kept iteration {found.n_iter_}")
    for line in found.warnings_:
        typer.echo(f"note: {line}", err=True)


def _new_folder(out):
    place = out.resolve()
    if not place.is_relative_to(Path.cwd().resolve()) or place == Path.cwd().resolve():
        raise ValueError(f"--out {out}: not below the working folder {Path.cwd()}")
    if place.exists():
        raise ValueError(f"--out {out}: is there already; nothing is overwritten")
    return place


def _fit(name, options, X, y):
    from algoreg import recover as estimators

    with warnings.catch_warnings():
        # They are in ``warnings_``, and said at the end.
        warnings.simplefilter("ignore")
        return getattr(estimators, name)(**options).fit(X, y)


def _write(place, found, data, X, y):
    """Write everything into a folder beside, which becomes the result when it is whole."""
    import numpy as np

    from algoreg.recover.report import page
    from algoreg.store import records

    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        arrays = {"matrix": found.matrix_, "left": found.factors_[0], "right": found.factors_[1]}
        arrays |= {"eigenvalues": found.eigenvalues_, "held_out": found.held_out_}
        arrays |= {
            name: getattr(found, f"{name}_") for name in ("coef", "intercept", "network") if hasattr(found, f"{name}_")
        }
        records.write_arrays(part / "matrix.npz", arrays, sealed=False)
        np.savetxt(part / "matrix.csv", found.matrix_, delimiter=",", fmt="%.9g")
        found.set_params(verbose=False)
        records.write_text(part / "report.html", page(found, data.name, X, y))
        content = {
            "data": data.name,
            "data_sha256": records.sha256(data),
            "version": metadata.version("algoreg"),
            "estimator": type(found).__name__,
            "parameters": found.get_params(),
            "chosen": {"alpha": found.alpha_, "step": found.step_, "iteration": found.n_iter_, "stop": found.stop_},
            "warnings": found.warnings_,
            "machine": records.machine(),
        }
        records.write_text(part / "provenance.json", records.dump_json(content))
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def main() -> None:
    """Run the command."""
    sys.exit(app())
