"""What notebooks share: a tier's tables, figures and verdicts by name, curves of a table, and sliders."""

import base64
import html
import io
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Image
from pandas.io.formats.style import Styler

from algoreg.claims.cells import geometric_mean
from algoreg.regression import references
from algoreg.reporting import captions, report, wording
from algoreg.results import records
from algoreg.settings.chapters import load_chapters

# A figure's file has 160 dots per inch. So wide, its letters are those of the page.
SHOWN, WIDEST = 0.62, 980
LEFT = {"text-align": "left", "vertical-align": "top", "white-space": "normal"}


class Verdicts(Styler):
    """A table for a notebook to show; as text it is its caption, where pandas' own would be an address in memory."""

    def __repr__(self):
        return self.caption


class Tier:
    """The finished results of a tier: of ``ALGOREG_TIER``, or ``quick``,
    below the repository that the notebook lies in.

    Raises
    ------
    FileNotFoundError
        If the tier has no verdicts yet; it names the command.
    """

    def __init__(self):
        self.name = os.environ.get("ALGOREG_TIER", "quick")
        above = (folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "Snakefile").exists())
        root = os.environ.get("ALGOREG_ROOT") or next(above, Path.cwd())
        self.results = Path(os.environ.get("ALGOREG_RESULTS") or Path(root) / "results" / self.name)
        self._file("claims")

    def _file(self, name):
        path = self.results / name
        if not path.exists():
            command = f"snakemake --cores 2 --configfile config/{self.name}.yaml"
            raise FileNotFoundError(f"{path} is not there: run `{command}` first")
        return path

    def table(self, name):
        """Return a table of the tier."""
        return records.read_table(self._file(f"tables/{name}.csv"))

    def figure(self, name):
        """Return a figure of the tier as a picture that a notebook shows."""
        picture = Image(self._file(f"figures/{name}.png"))
        titles, _ = captions.read(self._file(f"figures/{name}.svg").read_text(encoding="utf-8"))
        wide = int.from_bytes(picture.data[16:20])
        return Image(picture.data, width=min(round(SHOWN * wide), WIDEST), alt=titles)

    def verdicts(self, *chapters, claims=None) -> Verdicts:
        """Return the verdicts of chapters' claims, or of these of them, for a notebook to show.

        Where the tier judges none of them, as smoke, they are the committed ones of tier ``standard``. The caption says
        whose.
        """
        known = load_chapters(chapters)
        entries = {entry["id"]: entry for chapter in known for entry in chapter.claims}
        shown = entries if claims is None else claims
        judged = [records.read_json(self._file(f"claims/{name}.json")) for name in entries]
        whose = f"this tier, {self.name}"
        if all(claim["verdict"] == "not-judged" for claim in judged if claim["id"] in shown):
            # A chapter of the user's own need not have a reference.
            committed = references.read_claims("standard", chapters)
            judged = committed or judged
            whose = f"the committed tier standard, as {self.name} judges none" if committed else whose
        outcomes = wording.verdicts_of(judged)
        rows = []
        for claim in (claim for claim in judged if claim["id"] in shown):
            entry = entries[claim["id"]]
            said = report.verdict_text_of(claim, entry, outcomes)
            rows.append([claim["id"], entry["statement"], entry["standing"], said.outcome(), *said.cells()])
        header = ["claim", "statement", "standing", "verdict", "estimate", "95 % interval", "needed", "control"]
        styled = Verdicts(pd.DataFrame(rows, columns=header), uuid="verdicts").hide(axis="index")
        heads = {"selector": "th, caption", "props": list(LEFT.items())}
        return styled.set_properties(**LEFT).set_table_styles([heads]).set_caption(f"Verdicts of {whose}")


def curve(axes, frame, x, value, **style):
    """Draw the geometric mean of a positive column over another one, and every run as a dot;
    runs without a value are left out.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    frame : pandas.DataFrame
        A row per run and value of ``x``.
    x, value : str
        Columns.
    **style
        Of the line, as for :meth:`matplotlib.axes.Axes.plot`.
    """
    there = frame[frame[value] > 0]
    mean = there.groupby(x)[value].agg(geometric_mean)
    (line,) = axes.plot(mean.index, mean, **style)
    axes.plot(there[x], there[value], ".", color=line.get_color(), alpha=0.35, markersize=4)


# Shows the picture of the slider's place, and its value beside the slider.
CHANGE = (
    "const all = this.closest('div').querySelectorAll('img'); "
    "all.forEach((one, i) => { one.hidden = i != this.value }); "
    "this.nextElementSibling.value = all[this.value].dataset.value"
)


def slider(label, values, draw):
    """Return a picture for every value of a quantity, with a slider that moves from one to the next.

    The pictures are drawn beforehand and stored in the notebook, so that the slider also moves where no kernel runs.
    Where scripts are not allowed, the first picture is shown.

    Parameters
    ----------
    label : str
        The quantity, beside the slider.
    values : sequence of float
    draw : callable
        Takes a value and returns a Matplotlib figure, which is closed afterwards.

    Returns
    -------
    IPython.display.HTML
    """
    label, pictures = html.escape(label), []
    for place, value in enumerate(values):
        figure, file = draw(value), io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        plt.close(figure)
        address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        hidden = " hidden" if place else ""
        pictures.append(f'<img data-value="{value:g}" alt="{label} = {value:g}" src="{address}"{hidden}>')
    control = f'<input type="range" min="0" max="{len(pictures) - 1}" value="0" oninput="{CHANGE}">'
    shown = f"<output>{values[0]:g}</output>"
    return HTML(f"<div><p><label>{label} {control} {shown}</label></p>{''.join(pictures)}</div>")
