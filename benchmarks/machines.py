"""The benchmark's numbers of every processor that was at hand, and the tables that docs/scaling.md makes of them."""

import json
import re
from pathlib import Path
from textwrap import fill

import methods
from algoreg.results.records import dump_json, write_text
from timing import fill_block

KEPT, DOCUMENT = Path("reference/bench"), Path("docs/scaling.md")
SHOWN = ("engine", "bfloat16", "signs", "projected", "eigh", "stochastic", "gemm_dxd", *methods.METHODS)


def keep(rows):
    """Write a run's rows as those of its processor, in place of older ones; return the file."""
    name = re.sub(r"[^a-z0-9]+", "-", machine(rows)["device_name"].lower()).strip("-")
    path = KEPT / f"{name}.json"
    write_text(path, dump_json(rows))
    return path


def machine(rows):
    """Return the row that says what the others were measured on."""
    (found,) = (row for row in rows if row["name"] == "machine")
    return found


def fill_document(device):
    """Write the tables of all processors of a kind (cpu or cuda)."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))]
    tables = [rows for rows in kept if machine(rows)["device"] == device]
    text = [side_by_side(tables)] if len(tables) > 1 else []
    text += [f"### {machine(rows)['device_name']}\n\n{document(rows)}" for rows in tables]
    fill_block(DOCUMENT, "bench" if device == "cpu" else f"bench-{device}", "\n\n".join(text))


def side_by_side(tables):
    """Return the engine's rows of several processors as one Markdown table."""
    names = [machine(rows)["device_name"] for rows in tables]
    head = ["d", "batch", "type", *(f"{name}: {what}" for name in names for what in ("× autograd", "of the limit"))]
    lines = [line(head), line(["---"] * len(head))]
    engines = [{place(row): row for row in rows if row["name"] == "engine"} for rows in tables]
    for key in sorted(set.union(*map(set, engines)), key=lambda key: (key[2], key[0], key[1])):
        found = [rows.get(key, {}) for rows in engines]
        cells = [text for row in found for text in (cell(row, "ratio_to_autograd", "{:.1f}"), share(row))]
        lines.append(line([*key, *cells]))
    return "\n".join(lines)


def place(row):
    """Return what a row of one processor shares with that of another."""
    return row["d"], row["batch"], row["dtype"]


def line(cells):
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def cell(row, key, form):
    """Return a number of a row as text."""
    return "–" if row.get(key) is None else form.format(row[key])


def share(row):
    """Return a row's share of its limit as text."""
    return cell(row, "fraction_of_limit", "{:.0%}") + (" (in cache)" if row.get("in_cache") else "")


def document(rows):
    """Return the rows as Markdown: the machine, its limits, the engine at every size, the other algorithms."""
    head = ["", "d", "m", "batch", "type", "ms per run and iteration", "× autograd", "× einsum", "× einsum, optimised"]
    lines = [fill(introduction(rows), 100), "", line([*head, "of the limit"]), line(["---"] * (len(head) + 1))]
    for row in rows:
        if row["name"] in SHOWN:
            ratios = (("autograd", "{:.1f}"), ("einsum", "{:.0f}"), ("einsum_optimize", "{:.1f}"))
            numbers = [cell(row, "ms_per_run_iteration", "{:.3g}")]
            numbers += [cell(row, f"ratio_to_{name}", form) for name, form in ratios]
            lines.append(line([*(row[key] for key in ("name", "d", "m", "batch", "dtype")), *numbers, share(row)]))
    return "\n".join(lines)


def introduction(rows):
    """Return a sentence on the machine, one on its limits and one on memory."""
    limits = [
        f"{'multiply-adds of one core' if row['name'] == 'fma' else row['name']}{' ' + row['dtype'] if row['dtype'] else ''} "
        f"{row.get('gb_per_s') or row.get('gflop_per_s'):.3g} {'GB/s' if row.get('gb_per_s') else 'GFLOP/s'}"
        for row in rows
        if row["name"] in ("copy", "gemv", "gemm", "fma")
    ]
    known = machine(rows)
    text = f"{known['device_name']}, {known['threads']} threads, torch {known['torch']}: {', '.join(limits)}."
    (memory,) = (row for row in rows if row["name"] == "memory")
    if memory.get("ratio") is None:
        return text
    return (
        f"{text} Peak memory at d = {memory['d']}, m = {memory['m']}: {memory['ratio']:.2f} × (packed ensemble + state), and "
        f"{memory['libraries_bytes'] / 1e6:.0f} MB whatever the size, for the compiler and the libraries' own code."
    )
