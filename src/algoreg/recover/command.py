"""The command ``algoreg``: recovery of a matrix from a file of measurements."""

import os
import shutil
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# Imported where they are used, so that `algoreg recover --help` does not wait for them.
if TYPE_CHECKING:
    from algoreg.engine.checkpoint import Checkpoint
    from algoreg.recover.io.measurement_files import Measured
    from algoreg.recover.report import Fit

# \b keeps the line breaks of a paragraph.
EXAMPLES = """\b
Examples:
  algoreg recover data.npz --out found
  algoreg recover ratings.csv --out found --hold-out 0.2
  algoreg recover ratings.csv --out found --shape 60x80
  algoreg recover gaps.npy --out found
  algoreg recover gaps.csv --table matrix --out found
  algoreg recover ratings.csv --out found --columns user=userId,item=movieId,value=rating
  algoreg recover expectations.csv --out state
  algoreg recover counts.csv --out state --reverse
  algoreg recover table.csv --target price --out found --methods all
  algoreg recover probes.csv --target power --table vectors --out found

\b
What a file holds:
  npz           A and y (matrices, m × d1 × d2 or m × d·d, and observations)
                vectors (x, m × d) and y ≈ xᵀMx; with partners (z) y ≈ xᵀMz
                rows, columns and values (entries, from 0)
                matrix, with NaN for unknown entries
                X and y (a table)
  npy           a matrix, with NaN for unknown entries
  csv, parquet  row, column (both from 0, or names) and value
                pauli, expectation and perhaps shots
                setting (XZ), outcome (01) and perhaps count; without count each line is a shot
                a table, with --target; with --table vectors its rows are x, with --shape too (x, z)
                a matrix, with --table matrix: numbers and gaps, no names of rows or columns

Exit codes: 0 done, 2 bad input (with one line that says what is wrong) or an unknown option, 130 interrupted. The same
command continues a run that was interrupted or killed."""

# The estimator for each kind of file.
ESTIMATORS = {
    "matrices": "LowRankMatrixRegressor",
    "vectors": "LowRankMatrixRegressor",
    "entries": "MatrixCompleter",
    "table": "QuadraticRegressor",
    "pauli": "StateRegressor",
}

Kind = Annotated[
    str | None,
    typer.Option(
        help="What the matrix is: psd (default for A and vectors), symmetric (for a table) or rectangular (for entries)."
    ),
]
Shape = Annotated[
    str | None,
    typer.Option(
        help="Shape of the matrix, such as 20x30, where the file does not determine it: entries show only the rows up to the last known one."
    ),
]
Table = Annotated[
    str,
    typer.Option(
        help="What a table is: features (of the target), vectors (rows x, with --shape pairs) or matrix (with gaps)."
    ),
]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"algoreg {metadata.version('algoreg')}")
        raise typer.Exit


@app.callback()
def algoreg(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Low-rank matrices from few measurements, without choosing a rank."""


@app.command(epilog=EXAMPLES, short_help="Recover a matrix from a file of measurements.")
def recover(
    data: Annotated[Path, typer.Argument(help="A file of measurements; see below.")],
    out: Annotated[Path, typer.Option(help="The folder for the results, which must not exist yet.")],
    target: Annotated[str | None, typer.Option(help="The column of a table that is predicted from the others.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Names of the columns in the file: user=userId,item=movieId,value=rating.")
    ] = None,
    kind: Kind = None,
    shape: Shape = None,
    table: Table = "features",
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            "--method",
            help="auto, algorithms separated by commas, or all (those that need no prior knowledge).",
        ),
    ] = "auto",
    stop: Annotated[str, typer.Option(help="When to stop: auto, hold-out, folds, noise or budget.")] = "auto",
    noise: Annotated[float | None, typer.Option(help="Standard deviation of the noise in the observations.")] = None,
    hold_out: Annotated[
        float, typer.Option(help="Share of the measurements that is held out to decide when to stop.")
    ] = 0.1,
    folds: Annotated[int, typer.Option(help="Number of folds; each measurement is held out in one.")] = 5,
    max_iter: Annotated[int, typer.Option(help="Largest number of iterations.")] = 5000,
    alpha: Annotated[float | None, typer.Option(help="Size of the initialisation of a descent.")] = None,
    tol: Annotated[float, typer.Option(help="Relative error at which a fit ends before --max-iter.")] = 1e-6,
    step: Annotated[
        float | None, typer.Option(help="Step size of a descent; by default the algorithm chooses it.")
    ] = None,
    method_options: Annotated[
        str | None, typer.Option(help='Options of the algorithm, such as "{width: 1, start: spectral}".')
    ] = None,
    reverse: Annotated[
        bool | None,
        typer.Option("--reverse", help="For a quantum state: Pauli strings name the last qubit first, as in qiskit."),
    ] = None,
    biases: Annotated[
        bool | None, typer.Option("--biases/--no-biases", help="For entries: fit a bias for each row and column.")
    ] = None,
    center: Annotated[
        bool | None, typer.Option("--center/--no-center", help="For entries: subtract their mean first.")
    ] = None,
    standardize: Annotated[
        bool | None,
        typer.Option("--standardize/--no-standardize", help="For a table: scale columns to mean 0 and variance 1."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    seed: Annotated[
        int, typer.Option(help="Seed of the random choice of held-out measurements.", min=0, max=2**32 - 1)
    ] = 0,
) -> None:
    """Recover a matrix, and write matrix.npz, matrix.csv, report.html and provenance.json."""
    try:
        place = _new_folder(out)
        from algoreg.recover.io import measurement_files

        measured = measurement_files.read(
            data,
            target,
            shape=measurement_files.sizes(shape),
            table=table,
            columns=measurement_files.mapping(columns),
        )
        name = ESTIMATORS[measured.kind]
        options: dict[str, Any] = {"stop": stop, "noise": noise, "hold_out": hold_out, "folds": folds, "tol": tol}
        options |= {"max_iter": max_iter, "device": device, "random_state": seed} | _of_the_matrix(kind, measured)
        options |= {"dtype": dtype, "step": step, "method_options": _mapping(method_options)}
        options |= {} if alpha is None else {"alpha": alpha}
        options |= _of_the_estimator(
            name, {"reverse": reverse, "biases": biases, "center": center, "standardize": standardize}
        )
        checkpoint = _checkpoint(place, data, name, methods, {"target": target, **options})
        try:
            fits = _fits(name, options, methods, checkpoint, measured)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(f"{data}: {error}") from error
        _write(place, fits, data, measured)
    except (ValueError, RuntimeError, OSError, MemoryError) as error:
        # Python's MemoryError has no message.
        typer.echo(f"algoreg recover: {' '.join(str(error).split()) or f'{data}: out of memory'}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("algoreg recover: interrupted; the same command continues", err=True)
        raise typer.Exit(130) from None
    checkpoint.remove()
    best = fits[0].estimator
    typer.echo(f"{out}: effective rank {best.effective_rank_:.2f}, kept iteration {best.n_iter_}")
    for line in [*measured.notes, *best.warnings_, *([] if methods == "all" else _not_run(fits))]:
        typer.echo(f"note: {line}", err=True)


def _of_the_matrix(kind: str | None, measured: "Measured") -> dict[str, Any]:
    """Return the options that describe the matrix, as parameters of an estimator."""
    given = {"kind": kind, "shape": measured.shape, "vectors": measured.kind == "vectors" or None}
    return {name: value for name, value in given.items() if value is not None}


def _of_the_estimator(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given, each of which must be a parameter of the estimator."""
    from algoreg import recover as estimators

    chosen = {key: value for key, value in given.items() if value is not None}
    allowed = getattr(estimators, name)().get_params()
    for key, value in chosen.items():
        if key not in allowed:
            available = [f"--{other}" for other in given if other in allowed]
            raise ValueError(
                f"--{'' if value else 'no-'}{key}: this file is fitted by {name}, which has no such parameter; of these "
                f"options it has {', '.join(available) or 'none'}"
            )
    return chosen


def _mapping(text: str | None) -> dict[str, Any] | None:
    """Return the options of an algorithm from a text in YAML."""
    import yaml

    if text is None:
        return None
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f'--method-options {text}: allowed is a mapping such as "{{width: 1, start: spectral}}"')
    return found


def _new_folder(out: Path) -> Path:
    place = out.resolve()
    if place.exists():
        raise ValueError(f"--out {out}: exists already, and nothing is overwritten")
    # Checked before the fit, which may take hours.
    existing = next(parent for parent in place.parents if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out}: {existing} is not a folder that can be written to")
    return place


def _checkpoint(place: Path, data: Path, name: str, methods: str, options: Mapping[str, Any]) -> "Checkpoint":
    """Return the checkpoint of the fits, a file beside the folder that is kept until the folder is written.

    Every fit is saved under its method's name. With other data, options, code or libraries it begins anew.
    """
    from algoreg import code_hash, plugins
    from algoreg.engine.checkpoint import Checkpoint
    from algoreg.recover import fitting
    from algoreg.results import machine, records
    from algoreg.results.digests import settings_hash

    asked = {one.strip() for one in methods.split(",")}
    modules = {
        one: module for one, module in plugins.modules("algorithms").items() if one in asked or asked & {"auto", "all"}
    }
    what = {
        "data": records.sha256(data),
        "estimator": name,
        "code": code_hash.code_hashes(None, [fitting.__name__, *modules.values()]),
        "libraries": machine.versions(),
        **options,
    }
    return Checkpoint(place.with_name(f".{place.name}.resume.npz"), settings_hash(what), 5.0)


def _fits(
    name: str, options: Mapping[str, Any], methods: str, checkpoint: "Checkpoint", measured: "Measured"
) -> "list[Fit]":
    """Return a :class:`algoreg.recover.report.Fit` per method, in the order in which they are asked for.

    Raises
    ------
    ValueError, RuntimeError, MemoryError
        If the first method fails. Others that fail are in the list, with the reason.
    """
    from algoreg import recover as estimators
    from algoreg.recover import growing, plan
    from algoreg.recover.report import Fit

    if "kind" in options and name == "StateRegressor":
        raise ValueError(f"kind = {options['kind']}: a state has no kind; leave --kind out")
    first = getattr(estimators, name)(**options)
    kind = first.get_params().get("kind", "psd")
    plan.refuse_unlisted("kind", kind, plan.DEFAULT_METHODS)
    grows = name == "StateRegressor" or (name == "MatrixCompleter" and kind == "rectangular")
    everything = [growing.NAME] * grows + plan.needing_nothing(kind)
    asked = everything if methods == "all" else [one.strip() for one in methods.split(",")]
    names = list(dict.fromkeys(asked))
    for method in names:
        if not (grows and method == growing.NAME):
            plan.refuse_unknown(method)
    shots = {} if measured.shots is None else {"shots": measured.shots}
    found = []
    for number, method in enumerate(names):
        before = f"{method}, {number + 1} of {len(names)}: " if len(names) > 1 else ""
        estimator = getattr(estimators, name)(
            **options, method=method, verbose=lambda line, before=before: typer.echo(before + line)
        )
        estimator.keep_in(checkpoint)
        started = time.monotonic()
        try:
            with warnings.catch_warnings():
                # Warnings are kept in ``warnings_`` and printed at the end.
                warnings.simplefilter("ignore")
                estimator.fit(measured.X, measured.y, **shots)
        except (ValueError, RuntimeError, MemoryError) as error:
            # If another method fails, because it needs more memory say, the first one's fit is kept.
            if number == 0:
                raise
            found.append(Fit(method, None, 0.0, str(error)))
            continue
        found.append(Fit(estimator.method_, estimator.set_params(verbose=False), time.monotonic() - started))
    return found


def _not_run(fits: "Sequence[Fit]") -> list[str]:
    """Return a line for each method that did not run, with the reason."""
    failed = [fit for fit in fits if fit.estimator is None]
    return [f"{fit.method} did not run: {fit.failure.removeprefix(f'method = {fit.method}: ')}" for fit in failed]


def _write(place: Path, fits: "Sequence[Fit]", data: Path, measured: "Measured") -> None:
    """Write everything into a folder beside ``place``, and rename that to ``place`` when it is complete."""
    import numpy as np

    from algoreg.recover.report import page
    from algoreg.results import machine, records

    found = fits[0].estimator
    part = records.part_of(place)
    part.mkdir(parents=True)
    try:
        arrays = {"matrix": found.matrix_, "left": found.factors_[0], "right": found.factors_[1]}
        arrays |= {"eigenvalues": found.eigenvalues_, "held_out": found.held_out_}
        arrays |= {
            name: getattr(found, f"{name}_") for name in ("coef", "intercept", "network") if hasattr(found, f"{name}_")
        }
        arrays |= {f"matrix_{fit.method}": fit.estimator.matrix_ for fit in fits[1:] if fit.estimator is not None}
        if measured.names:
            arrays |= dict(zip(("row_names", "column_names"), measured.names, strict=True))
        records.write_arrays(part / "matrix.npz", arrays, sealed=False)
        np.savetxt(part / "matrix.csv", found.matrix_.real, delimiter=",", fmt="%.9g")
        if np.iscomplexobj(found.matrix_):
            np.savetxt(part / "matrix_imaginary.csv", found.matrix_.imag, delimiter=",", fmt="%.9g")
        records.write_text(part / "report.html", page(fits, data.name, measured.X, measured.y))
        content = {
            "data": data.name,
            "data_sha256": records.sha256(data),
            "version": metadata.version("algoreg"),
            "estimator": type(found).__name__,
            "parameters": found.get_params(),
            "chosen": {"alpha": found.alpha_, "step": found.step_, "iteration": found.n_iter_, "stop": found.stop_},
            "methods": {fit.method: fit.failure or "done" for fit in fits},
            "warnings": found.warnings_,
            "machine": machine.description(),
        }
        records.write_text(part / "provenance.json", records.dump_json(content))
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def main() -> None:
    """Run the command."""
    sys.exit(app())
