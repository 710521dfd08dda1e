"""Draw figures by name, from tables and from the claims that are judged from them; ``charts`` has their kinds."""

from algoreg import plugins
from algoreg.reporting.charts.claims import claims_of
from algoreg.reporting.charts.panels import make_room
from algoreg.reporting.charts.style import save as save
from algoreg.reporting.charts.style import style


def drawing(function):
    """Mark a function of tables and claims as the drawing of the figure with the function's name."""
    function.draws_figure = True
    return function


def draw(drawing, tables, claims=None):
    """Draw a figure.

    Parameters
    ----------
    drawing : str
        The figure's name, or the ``module:name`` of its drawing, whose module alone is imported then.
    tables : mapping of str to pandas.DataFrame
        The figure's tables, and the published curves of its chapter as ``published/<name>``.
    claims : mapping of str to mapping, optional
        Registry entries with the margins, directions and exponents to draw; by default those of
        :func:`algoreg.reporting.charts.claims.claims_of`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no drawing has this name.
    TypeError
        If the drawing does not return a figure.
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
        # The layout is computed once for all files to which the figure is saved.
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
    return figure
