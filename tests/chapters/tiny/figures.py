"""The picture of a tiny chapter."""

import matplotlib.pyplot as plt

from algoreg.reporting.figures import drawing


@drawing
def tiny(tables, claims):
    """Draw the test error against α."""
    figure, axes = plt.subplots()
    means = tables["tiny"].groupby("alpha")["test_error"].mean()
    axes.plot(means.index, means, "o-", label="test error")
    axes.set(xlabel="initialisation scale α", ylabel="relative error")
    return figure
