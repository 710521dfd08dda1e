"""Optimisers beside torch's own classes and plain loops, on every parametrisation; bad options."""

import numpy as np
import plain
import pytest
import torch
from test_other_methods import ends_of, planted

from algoreg.algorithms.factored import start_matrix
from algoreg.algorithms.optimiser import Options
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics import optimisers
from algoreg.settings import options as declared

D, M, SEED, STEPS = 6, 40, 5, 12


def product_of(parametrisation, factors):
    """Return X of a list of factors."""
    if parametrisation == "square":
        return factors[0] @ factors[0].T
    if parametrisation == "difference":
        return factors[0] @ factors[0].T - factors[1] @ factors[1].T
    x = factors[0]
    for factor in factors[1:-1]:
        x = x @ factor
    return x @ factors[-1].T


def of_torch(parametrisation, count, make, alpha=0.5, steps=STEPS, d=D):
    """Return X after steps of a class of torch.optim, from the loss itself by automatic differentiation."""
    ensemble = Ensemble.draw(d, M, SEED, 0)
    labels, matrices = ensemble.label(planted(1))[0], ensemble.unpacked()
    scale = alpha ** (2 / count) if parametrisation == "product" else alpha
    factors = [(scale * torch.eye(d, dtype=torch.float64)).requires_grad_() for _ in range(count)]
    made = make(factors)
    for _ in range(steps):
        x = product_of(parametrisation, factors)
        residual = torch.einsum("mij,ij->m", matrices, x) - labels
        # A factor that stands twice has twice the gradient of one that stands once.
        loss = residual.square().sum() / (2 * M) / (1 if parametrisation == "product" else 2)
        made.zero_grad()
        loss.backward()
        made.step()
    x = product_of(parametrisation, factors).detach()
    return ((x + x.T) / 2).numpy()


FORMS = [("square", 1), ("difference", 2), ("product", 2), ("product", 3)]


@pytest.mark.parametrize(("parametrisation", "count"), FORMS)
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda f: torch.optim.SGD(f, lr=0.05), {"step": 0.05}),
        (lambda f: torch.optim.SGD(f, lr=0.02, momentum=0.9), {"step": 0.2, "momentum": 0.9}),
        (
            lambda f: torch.optim.SGD(f, lr=0.02, momentum=0.9, nesterov=True),
            {"step": 0.2, "momentum": 0.9, "momentum_form": "nesterov"},
        ),
        (lambda f: torch.optim.SGD(f, lr=0.05, weight_decay=0.3), {"step": 0.05, "weight_decay": 0.3}),
        (
            lambda f: torch.optim.Adam(f, lr=0.03, betas=(0.8, 0.95), eps=1e-3),
            {"geometry": "adam", "step": 0.03, "momentum": 0.8, "second_momentum": 0.95, "epsilon": 1e-3},
        ),
        (
            lambda f: torch.optim.AdamW(f, lr=0.03, weight_decay=0.2),
            {"geometry": "adam", "step": 0.03, "momentum": 0.9, "weight_decay": 0.2},
        ),
        (
            lambda f: torch.optim.RMSprop(f, lr=0.03, alpha=0.9),
            {"geometry": "adam", "step": 0.03, "second_momentum": 0.9, "bias_correction": False},
        ),
        (
            lambda f: torch.optim.RMSprop(f, lr=0.003, alpha=0.9, momentum=0.9),
            {
                "geometry": "adam",
                "step": 0.03,
                "second_momentum": 0.9,
                "bias_correction": False,
                "momentum": 0.9,
                "momentum_form": "after",
            },
        ),
    ],
)
def test_steps_are_those_of_torch(parametrisation, count, make, options):
    run = {"alpha": 0.5, "iterations": STEPS, "parametrisation": parametrisation, "depth": count, **options}
    ends, *_ = ends_of("optimiser", [run])
    np.testing.assert_allclose(ends[0], of_torch(parametrisation, count, make), rtol=1e-8, atol=1e-11)


def test_newton_schulz_is_muon_of_torch_to_its_half_precision():
    def make(factors):
        return torch.optim.Muon(factors, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.1)

    run = {"alpha": 0.5, "iterations": STEPS, "step": 0.02, "geometry": "newton_schulz", "weight_decay": 0.1}
    run |= {"momentum": 0.9, "momentum_form": "nesterov"}
    ends, *_ = ends_of("optimiser", [run])
    found = of_torch("square", 1, make)
    # torch iterates in bfloat16, of 8 bits. Without Nesterov's form or weight decay X is further off.
    assert plain.relative_error(ends[0], found) < 0.01
    for change in ({"momentum_form": "average"}, {"weight_decay": 0.0}):
        other, *_ = ends_of("optimiser", [{**run, **change}])
        assert plain.relative_error(other[0], found) > 0.03


def roots_of_one(g):
    """Return WVᵀ of WSVᵀ by the eigenvectors of GᵀG."""
    values, vectors = np.linalg.eigh(g.T @ g)
    return g @ vectors @ np.diag(values**-0.5) @ vectors.T


def five_rounds(g):
    x = g / (np.linalg.norm(g) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


PLAIN = {
    "descent": lambda g: g,
    "normalised": lambda g: g / np.linalg.norm(g),
    "sign": np.sign,
    "polar": roots_of_one,
    "newton_schulz": five_rounds,
}


@pytest.mark.parametrize("geometry", PLAIN)
@pytest.mark.parametrize("form", ["average", "nesterov", "after"])
def test_momentum_schedule_and_decay_are_those_of_a_plain_loop(geometry, form):
    run = {"alpha": 0.5, "start": "gaussian", "iterations": STEPS, "step": 0.1, "last_step": 0.01, "weight_decay": 0.2}
    run |= {"geometry": geometry, "momentum": 0.7, "momentum_form": form, "schedule_iterations": 8}
    ends, matrices, labels, _ = ends_of("optimiser", [run])
    u = 0.5 * start_matrix("gaussian", D, SEED, 0).numpy()
    slope, average = plain.sensing(matrices, labels[0]), np.zeros_like(u)
    for step in range(STEPS):
        g = slope(u @ u.T) @ u
        given = PLAIN[geometry](g) if form == "after" else g
        average = 0.7 * average + 0.3 * given
        ahead = 0.7 * average + 0.3 * g
        direction = {"average": average, "nesterov": ahead, "after": average}[form]
        if form != "after":
            direction = PLAIN[geometry](direction)
        length = 0.1 * (0.01 / 0.1) ** min(step / 8, 1)
        u = (1 - length * 0.2) * u - length * direction
    np.testing.assert_allclose(ends[0], u @ u.T, rtol=1e-8, atol=1e-10)


def test_shampoo_is_that_of_a_plain_loop_and_without_memory_the_polar_factor():
    run = {"alpha": 0.5, "start": "gaussian", "iterations": STEPS, "step": 0.05, "epsilon": 1e-12}
    shampoo = {**run, "geometry": "shampoo", "second_momentum": 0.9}
    ends, matrices, labels, _ = ends_of("optimiser", [shampoo])
    u = 0.5 * start_matrix("gaussian", D, SEED, 0).numpy()
    slope, covariance = plain.sensing(matrices, labels[0]), np.zeros((D, D))
    for step in range(STEPS):
        g = slope(u @ u.T) @ u
        covariance = 0.9 * covariance + 0.1 * g @ g.T
        values, vectors = np.linalg.eigh(covariance / (1 - 0.9 ** (step + 1)))
        u = u - 0.05 * vectors @ np.diag(values**-0.5) @ vectors.T @ g
    np.testing.assert_allclose(ends[0], u @ u.T, rtol=1e-6)
    forgetful, *_ = ends_of("optimiser", [{**shampoo, "second_momentum": 0.0, "iterations": 3}])
    polar, *_ = ends_of("optimiser", [{**run, "geometry": "polar", "iterations": 3}])
    np.testing.assert_allclose(forgetful, polar, rtol=1e-6)


def test_runs_of_all_kinds_in_a_batch_are_those_alone():
    kinds = [
        {"geometry": geometry, "parametrisation": parametrisation, "depth": depth, "width": width}
        for geometry, (parametrisation, depth), width in zip(
            ("adam", "polar", "shampoo", "sign", "newton_schulz", "normalised"),
            2 * FORMS[1:],
            (None, 3) * 3,
            strict=True,
        )
    ]
    runs = [
        {"alpha": 0.3, "start": "gaussian", "iterations": 8, "step": 0.02, "momentum": 0.5, "target": 0, **kind}
        for kind in kinds
    ]
    together, *_ = ends_of("optimiser", runs, labels=Ensemble.draw(D, M, SEED, 0).label(planted(1)).repeat(6, 1))
    for run, found in zip(runs, together, strict=True):
        alone, *_ = ends_of("optimiser", [run])
        np.testing.assert_allclose(found, alone[0], rtol=1e-9, atol=1e-12)


def test_a_geometry_of_nothing_is_nothing_and_of_what_is_not_finite_no_error():
    g = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    for name in ("normalised", "sign", "polar", "newton_schulz"):
        assert torch.equal(optimisers.GEOMETRIES[name](g), g)
    assert torch.equal(optimisers.polar(g + torch.nan), g)
    # Columns that a narrow factor lacks stay 0.
    narrow = torch.randn(1, 1, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wide = torch.nn.functional.pad(narrow, (0, 2))
    torch.testing.assert_close(optimisers.polar(wide)[..., :3], optimisers.polar(narrow))
    assert (optimisers.polar(wide)[..., 3:] == 0).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"momentum": 1.0}, "momentum"),
        ({"step": -0.1}, "step"),
        ({"second_momentum": 1.5}, "second_momentum"),
        ({"schedule_iterations": 11}, "schedule_iterations = 11: allowed is at most the run's iterations = 10"),
        ({"geometry": "adam", "momentum_form": "nesterov"}, "momentum_form average or after with adam"),
        ({"geometry": "lion"}, "geometry"),
    ],
)
def test_options_that_cannot_be_are_named(change, said):
    good = {"alpha": 0.1, "step": 0.1, "iterations": 10, "m": 5}
    Options(**good)
    with pytest.raises(ValueError, match=said):
        Options(**{**good, **change})


def test_it_fits_where_there_is_a_gradient_of_symmetric_matrices():
    assert declared.lacks("optimiser", "gaussian") == []
    assert declared.lacks("optimiser", "rank_one") == []
    assert "gradient" in declared.lacks("optimiser", "gaussian_rectangular")
