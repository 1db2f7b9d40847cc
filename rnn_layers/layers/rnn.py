"""Recurrent layers by the name of their cell.

layer = rnn_layers.rnn("peephole_lstm", 128, return_sequences=True)
"""

from rnn_layers.cells.catalogue import cell_class, cell_options, keywords
from rnn_layers.layers.recurrent import Recurrent

SHARED_OPTIONS = ("dtype", "trainable")


def rnn(name, /, units, **kwargs):
    """Returns a recurrent layer by the name of its cell.

    Args:
        name: One of `names()`.
        units: Positive integer, the size of the state.
        **kwargs: Options of the layer (`layer_options()`) and of the cell
            (`cell_options(name)`), for example `return_sequences=True`.

    Returns:
        A `rnn_layers.Recurrent`.
    """
    of_cell, of_layer = cell_options(name), layer_options()
    for key in kwargs:
        if key not in of_cell + of_layer:
            known = ", ".join(sorted([*of_cell, *of_layer]))
            raise ValueError(f"{name} has no option {key!r}; it has {known}.")

    def pick(keys):
        return {key: kwargs[key] for key in kwargs if key in keys}

    cell = cell_class(name)(units, **pick([*of_cell, *SHARED_OPTIONS]))
    return Recurrent(cell, **pick(of_layer))


def layer_options():
    """Returns the keywords that every recurrent layer takes."""
    own = [key for key in keywords(Recurrent) if key != "cell"]
    return ["name", *SHARED_OPTIONS, *own]


def seeded(options, index):
    """Returns the options of one of several layers: each has its own seed."""
    if options.get("seed") is None:
        return options
    return {**options, "seed": options["seed"] + index}
