"""Read the provenance of the page's numbers from the sidecars of results."""

from algoreg.results import records

# Facts of a sidecar that the page shows, with their labels.
FACTS = {
    "commit": "commit",
    "config_sha256": "configuration",
    "lock_sha256": "lock file",
    "seed": "root seed",
    "device": "device",
    "dtype": "data type",
    "threads": "threads a job",
}
LIBRARIES = ("python", "numpy", "scipy", "torch")


def seconds(value):
    """Return a duration as text."""
    return f"{value:.1f} s" if value < 90 else f"{value / 60:.1f} min"


def provenance(results, paths):
    """Return the merged content of some results' sidecars.

    Parameters
    ----------
    results : pathlib.Path
        ``results/<tier>``.
    paths : iterable of str
        Results below that folder.

    Returns
    -------
    dict
        ``facts``: pairs (what, text) with every value that occurs; ``seconds``: their sum over jobs; ``jobs``: how many
        results; ``unknown``: those without a readable sidecar.
    """
    found, unknown = [], []
    for path in dict.fromkeys(paths):
        try:
            found.append(records.read_provenance(results / path))
        except records.DamagedResult:
            unknown.append(path)
    facts = []
    for key, name in FACTS.items():
        values = [one[key] for one in found if one.get(key) is not None and (key != "device" or one[key] != "auto")]
        texts = list(
            dict.fromkeys(str(value)[:12] if key.endswith(("commit", "sha256")) else str(value) for value in values)
        )
        if key == "commit":
            texts += ["unknown"] * any(one.get("commit") is None for one in found)
            texts += ["with uncommitted changes"] * any(one.get("dirty") for one in found)
        if texts:
            facts.append((name, ", ".join(texts)))
    versions = {
        library: list(dict.fromkeys(one["machine"][library] for one in found if library in one.get("machine", {})))
        for library in LIBRARIES
    }
    facts.append(("versions", "; ".join(f"{name} {', '.join(values)}" for name, values in versions.items() if values)))
    return {
        "facts": facts,
        "seconds": sum(one.get("seconds") or 0 for one in found),
        "jobs": len(found),
        "unknown": unknown,
    }


def machine(results):
    """Return a text about the machine named in the sidecar of ``claims.json``."""
    machine = records.read_provenance(results / "claims.json")["machine"]
    return f"{machine['processor'] or 'unknown processor'}, {machine['cores']} cores, {machine['platform']}"
