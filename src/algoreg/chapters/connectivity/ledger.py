"""The ledger's evidence on connectivity: ranks and nuclear norms by kind of mask, and ranks by depth."""

from algoreg.regression.references import claim_of
from algoreg.reporting.report import estimate_of, geometric, markdown, number, passage


@passage("connectivity_masks")
def connectivity_headline(reference):
    """Return the headline's numbers: the share of rank 1, and the excess over the least nuclear norm, in words."""
    # Runs end just below the known entries, so their nuclear norm is below the least one.
    away = abs(claim_of(reference, "connectivity-least-norm")["estimate"])
    return (
        f"From α = 10⁻⁴ descent on two factors ends at rank 1 in {estimate_of(reference, 'connectivity-low-rank')} of the "
        f"runs on connected masks. On separate full blocks its nuclear norm differs from the least by a share of "
        f"{number(away)} in the mean."
    )


@passage("connectivity_masks")
def connectivity_kinds(frame):
    """Return ranks and excesses by α and kind of mask, as Markdown."""
    rows = []
    for (alpha, kind), group in frame.groupby(["alpha", "kind"]):
        excess = number(group["excess"].mean()) if group["excess"].notna().all() else "–"
        values = [number(group["low_rank"].mean()), geometric(group["second"]), excess]
        rows.append([f"{alpha:g}", kind, group["mask"].nunique(), len(group), *values])
    header = ["α", "entries", "masks", "runs", "share of rank 1", "σ₂/σ₁", "excess of nuclear norm"]
    return markdown(header, rows)


@passage("connectivity_random")
def connectivity_shares(frame):
    """Return ranks on random masks by α and connectivity, as Markdown."""
    rows = [
        [f"{alpha:g}", kind, len(group), number(group["low_rank"].mean()), geometric(group["second"])]
        for (alpha, kind), group in frame.groupby(["alpha", "kind"])
    ]
    return markdown(["α", "entries", "runs", "share of rank 1", "σ₂/σ₁"], rows)


@passage("connectivity_depth")
def connectivity_depths(frame):
    """Return ranks and off-diagonal parts by depth and initialisation, as Markdown."""
    rows = []
    for (depth, start), group in frame.groupby(["depth", "start"]):
        means = [number(group[name].mean()) for name in ("low_rank", "second", "off_diagonal")]
        rows.append([depth, start, len(group), *means])
    return markdown(
        ["N", "factors", "runs", "share of rank 1", "mean σ₂/σ₁", "‖X‖ off the diagonal over that on it"], rows
    )
