"""Figures: found by name, drawn from tables and from the claims that are judged from them.
The kinds are in ``reporting.charts``.
"""

from algoreg import plugins
from algoreg.reporting.charts.claims import claims_of
from algoreg.reporting.charts.panels import make_room
from algoreg.reporting.charts.style import save as save
from algoreg.reporting.charts.style import style


def drawing(function):
    """Mark a function of tables and claims as the drawing of the figure that has its name."""
    function.draws_figure = True
    return function


def draw(drawing, tables, claims=None):
    """Draw a figure.

    Parameters
    ----------
    drawing : str
        The figure's name, or the ``module:name`` of its drawing, whose module alone is imported then.
    tables : mapping of str to pandas.DataFrame
        Those of the figure, and the published curves of its chapter as ``published/<name>``.
    claims : mapping of str to mapping, optional
        Registry entries, those of :func:`algoreg.reporting.charts.claims.claims_of` without: margins, directions and
        exponents that are drawn come from them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no drawing has this name.
    TypeError
        If it returns no figure.
    """
    function = plugins.load(drawing) if ":" in drawing else plugins.function("figures", drawing)
    name = function.__name__
    with style():
        figure = function(tables, claims_of(name) if claims is None else claims)
        if not hasattr(figure, "savefig"):
            raise TypeError(
                f"figure {name}: its drawing returns a {type(figure).__name__}; allowed is a figure, as finish does"
            )
        make_room(figure)
        # Laid out once, for all the files that it is saved to.
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
    return figure
