"""Checks of options that several kinds of settings share; they yield or return the text of a message."""

from algoreg.settings.base import as_list, show
from algoreg.settings.messages import not_allowed
from algoreg.settings.options import limits

# The most memory of an ensemble, and of a batch with its targets.
MEMORY_LIMIT_BYTES = 64 * 2**30
# The smallest positive number with full precision; smaller numbers lose digits or become 0.
SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}


def unfit_extent(problem):
    """Yield ``(key, message after it)`` if a problem's ensemble cannot have its d or m, or would not fit in memory."""
    d, m, kind = problem["d"], problem["m"], problem["ensemble"]
    own = limits(kind)
    if m < own.least_m(d):
        yield "m", not_allowed(m, f"at least {own.least_m(d)} with ensemble: {kind} at d = {d}")
    if own.refused_d(d):
        yield "d", not_allowed(d, f"{own.refused_d(d)} with ensemble: {kind}")
        return
    most = own.most_m(d)
    if most is not None and m > most:
        yield "m", not_allowed(m, f"at most {most} with ensemble: {kind} at d = {d}")
    need = 8 * own.stored(d, m)
    if need > MEMORY_LIMIT_BYTES:
        key = "d" if own.stored(d, 2 * m) == own.stored(d, m) else "m"
        yield key, f" = {problem[key]}: the ensemble would take {gib(need)}; allowed is {gib(MEMORY_LIMIT_BYTES)}"


def gib(count):
    """Return a number of bytes as a text in GiB."""
    return f"{count / 2**30:.0f} GiB"


def needs(algorithm, lacking, ensemble):
    """Return the message after a key that names an algorithm, about what an ensemble lacks (see :func:`lacks`)."""
    return f" = {show(algorithm)}: it needs {', '.join(lacking)}, which ensemble {ensemble} does not provide"


def too_wide(model, run, d, path):
    """Yield the options of a run that exceed the matrices' size."""
    for key in model.at_most_d:
        for item in as_list(run.get(key)):
            if item is not None and item > d:
                yield (*path, key), not_allowed(item, f"at most d = {d}")


def underflow(values, dtype, path):
    """Yield the first initialisation scale that loses digits or becomes 0 in its data type."""
    least = SMALLEST_NORMAL[dtype]
    small = [value for value in as_list(values) if 0 < value < least]
    if small:
        yield (
            path,
            not_allowed(small[0], f"at least {least:.3g} in {dtype}; smaller ones lose their digits or become 0"),
        )
