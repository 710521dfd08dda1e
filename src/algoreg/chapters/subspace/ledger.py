"""The ledger's evidence on moving subspaces: what moves by depth and initialisation, and distances of paths."""

from algoreg.reporting.report import bound_of, geometric, markdown, number, passage


@passage("subspace_moves")
def subspace_headline(reference):
    """Return the headline's numbers: what changes outside the subspace, and the distance of the paths, in words."""
    return (
        f"Along all other directions a layer is only multiplied by a number: beyond that at most "
        f"{bound_of(reference, 'subspace-invariant', 'up')} of it changes, and the X of both networks differ by at most "
        f"{bound_of(reference, 'subspace-compressed', 'up')} ‖X\\*‖ (geometric means over draws)."
    )


@passage("subspace_moves")
def subspace_table(frame):
    """Return what moves, and distances of paths, by initialisation, share of known entries and depth, as Markdown."""
    rows = []
    for (start, share, depth), group in frame.groupby(["start", "share", "depth"]):
        paths = [geometric(group[name]) if group[name].notna().all() else "–" for name in ("path", "path_rank")]
        values = [geometric(group["outside"]), number(group["moved"].mean()), *paths, number(group["end_error"].mean())]
        rows.append([start, f"{share:g}", depth, *values])
    header = ["layers", "known", "N", "outside", "directions moved", "path, 2r + 1", "path, r + 1", "error at the end"]
    return markdown(header, rows)


@passage("subspace_moves")
def subspace_cost(frame):
    """Return how many times fewer multiplications an iteration of the smaller network takes, in words."""
    d, rank = (int(frame[name].iloc[0]) for name in ("d", "rank"))
    return (
        f"An iteration multiplies square matrices, so that with 2r + 1 = {2 * rank + 1} columns in place of d = {d} it takes "
        f"{number((d / (2 * rank + 1)) ** 3)} times fewer multiplications. Finding the bases takes singular value "
        f"decompositions of d × d matrices, once."
    )
