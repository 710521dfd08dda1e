"""What fresh seeds leave of the comparisons with the published figures."""

from algoreg.regression.replications import outcomes, read
from algoreg.reporting.report import passage

COMPARED = {"Figure 1": "fig1-published", "Figure 3": "fig3-published", "Figure 4": "fig4-published"}


@passage()
def published_on_fresh_seeds(reference):
    """Return on how many fresh seeds each figure's comparison keeps its verdict, as a sentence; empty without any."""
    found = outcomes(read("standard"), reference["claims"])
    if not found:
        return ""
    said = []
    for figure, name in COMPARED.items():
        own = found[name]
        counts = {own["committed"]["verdict"]: own["same"], **own["others"]}
        counted = " and ".join(f"{verdict} on {count}" for verdict, count in counts.items() if count)
        said.append(f"{figure}'s comparison is {counted}")
    return f"Of {own['seeds']} fresh seeds {'; '.join(said)}."
