"""The benchmark's numbers for every processor on which it has run, and their tables in docs/scaling.md."""

import json
import re
from pathlib import Path
from textwrap import fill

import roofline
from algoreg.results.records import dump_json, write_text
from timing import fill_block

KEPT, DOCUMENT = Path("reference/bench"), Path("docs/scaling.md")
BATCHES, SHORT = (1, 8, 32), ("bfloat16", "signs")


def keep(rows):
    """Write a run's rows to its processor's file, replacing older ones, and return the file."""
    name = re.sub(r"[^a-z0-9]+", "-", machine(rows)["device_name"].lower()).strip("-")
    path = KEPT / f"{name}.json"
    write_text(path, dump_json(rows))
    return path


def machine(rows):
    """Return the row that describes the machine."""
    (found,) = (row for row in rows if row["name"] == "machine")
    return found


def fill_document(device):
    """Write the tables of all processors of a kind (cpu or cuda)."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))]
    text = [
        f"### {machine(rows)['device_name']}\n\n{document(rows)}" for rows in kept if machine(rows)["device"] == device
    ]
    fill_block(DOCUMENT, "bench" if device == "cpu" else f"bench-{device}", "\n\n".join(text))


def line(cells):
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def cell(row, key, form):
    """Return a number of a row as text, or a dash if it has none."""
    return "–" if row.get(key) is None else form.format(row[key])


def share(row):
    """Return a row's share of its limit as text, with the shares of its slowest and fastest timings."""
    if row.get("fraction_of_limit") is None:
        return "–"
    low, high = row["fraction_spread"]
    return f"{row['fraction_of_limit']:.0%} ({100 * low:.0f} to {100 * high:.0f})"


def table(rows, names, batches, ratio, what):
    """Return a Markdown table of the rows with these names: ratios and shares of the limit for each type and d."""
    head = ["type", "d", "cache", *(f"{what}, batch {batch}" for batch in batches)]
    lines = [line([*head, *(f"of the limit, batch {batch}" for batch in batches)])]
    lines.append(line(["---"] * (len(head) + len(batches))))
    found = {}
    for row in rows:
        if row["name"] in names:
            kind = row["dtype"] if row["name"] == "engine" else row["name"]
            found.setdefault((kind, row["d"]), {})[row["batch"]] = row
    for (kind, d), by in found.items():
        group = [by.get(batch, {}) for batch in batches]
        cells = [*(cell(row, ratio, "{:.1f}") for row in group), *(share(row) for row in group)]
        lines.append(line([kind, d, group[0].get("cache") or "–", *cells]))
    return "\n".join(lines) if found else ""


def document(rows):
    """Return the rows as Markdown: the machine and its limits, the engine at every size, rows of short types."""
    parts = [
        fill(introduction(rows), 100),
        table(rows, ["engine"], BATCHES, "ratio_to_autograd", "× autograd"),
        table(rows, SHORT, BATCHES[:2], "ratio_to_float32", "× float32"),
    ]
    return "\n\n".join(filter(None, parts))


def introduction(rows):
    """Return a sentence on the machine, one on its limits and one on memory."""
    bandwidth, peaks = roofline.ceilings(rows)
    known = machine(rows)
    limits = [f"{bandwidth / 1e9:.3g} GB/s", *(f"{peak / 1e9:.3g} GFLOP/s in {name}" for name, peak in peaks.items())]
    held = ", ".join(f"{name} {size / 2**20:.3g} MiB" for name, size in known["caches"].items())
    text = (
        f"{known['device_name']}, {known['threads']} threads, torch {known['torch']}: at best {', '.join(limits)}. "
        f"Caches: {held or 'not known'}."
    )
    (memory,) = (row for row in rows if row["name"] == "memory")
    if memory.get("ratio") is None:
        return text
    return (
        f"{text} Peak memory at d = {memory['d']}, m = {memory['m']}: {memory['ratio']:.2f} × (packed ensemble + state), and "
        f"{memory['libraries_bytes'] / 1e6:.0f} MB whatever the size, for the compiler and the libraries' own code."
    )
