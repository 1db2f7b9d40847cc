"""What `benchmarks.layers` measured, as Markdown."""

import statistics

from apps.common.tables import markdown
from data_pipelines.files.atomic import replacing

MEANING = {
    "ours": "the layer of `rnn_layers`",
    "rnn": "the same cell in `keras.layers.RNN`, the better of graph and XLA",
    "stock": "`keras.layers.LSTM` or `GRU`, the better of graph and XLA",
    "torch": "`torch.nn.LSTM` or `GRU`, in a process of its own",
    "products": "the matrix products alone",
}
OTHERS = ["rnn", "stock", "torch"]
# Where the results stand in a page.
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def what(row):
    """Names what a row measures."""
    masked = ", masked" if row["masked"] else ""
    both = ", bidirectional" if row["bidirectional"] else ""
    return row["what"] + masked + both


def ratio(row, other):
    """Return how many times as long as ours another takes, or `None`."""
    if other not in row["ms"]:
        return None
    return row["ms"][other]["median"] / row["ms"]["ours"]["median"]


def cells(row):
    """Return a row of the table as a list of strings."""

    def spread(name):
        if name not in row["ms"]:
            return ""
        return "{median:.1f} ({low:.1f} to {high:.1f})".format(
            **row["ms"][name]
        )

    ratios = [ratio(row, other) for other in OTHERS]
    return [
        f"`{row['cell']}`",
        str(tuple(row["shape"])),
        what(row),
        *(spread(name) for name in MEANING),
        *("" if value is None else f"{value:.2f}" for value in ratios),
        f"{row['first_call_ms']['ours'] / 1e3:.1f}",
    ]


def line(row):
    """Return a row of the table."""
    return f"| {' | '.join(cells(row))} |"


def table(rows):
    """Return all rows as a table."""
    head = ["cell", "shape", "what", *MEANING]
    head += [f"{other} / ours" for other in OTHERS] + ["first call, s"]
    return markdown(head, map(cells, rows))


def summary(result):
    """Return, for all that was measured, the means of the ratios."""
    rows = result["rows"]
    plain = [row for row in rows if row["cell"] != "min_gru"]
    kinds = dict.fromkeys(map(what, plain))
    groups = [(kind, [r for r in plain if what(r) == kind]) for kind in kinds]
    minimal = [row for row in rows if row["cell"] == "min_gru"]
    groups += [
        (f"`min_gru`, {kind}", [r for r in minimal if what(r) == kind])
        for kind in dict.fromkeys(map(what, minimal))
    ]
    head = ["what", *(f"{other} / ours" for other in OTHERS)]
    means = (
        [kind, *(mean(rows, other) for other in OTHERS)]
        for kind, rows in groups
    )
    return markdown(head, means)


def mean(rows, other):
    """Return the geometric mean of rows' ratios, and where they are least."""
    ratios = [(ratio(r, other), r) for r in rows if other in r["ms"]]
    if not ratios:
        return ""
    values = [value for value, _ in ratios]
    least, row = min(ratios, key=lambda pair: pair[0])
    return (
        f"{statistics.geometric_mean(values):.2f}, from {least:.2f} "
        f"(`{row['cell']}` at {tuple(row['shape'])}) to {max(values):.2f}"
    )


def notes(result):
    """Return what was measured beside the rows."""
    grown = [
        f"* Peak memory of a training step of `{row['cell']}` at "
        f"{tuple(row['shape'])}: "
        + ", ".join(f"{n} {mib:.0f} MiB" for n, mib in row["mib"].items())
        + "."
        for row in result["memory"]
    ]
    compiled = {(row["what"], row["compilations"]) for row in result["rows"]}
    loops = ", ".join(f"{count} for {kind}" for kind, count in sorted(compiled))
    first = [row["first_call_ms"]["ours"] / 1e3 for row in result["rows"]]
    streaming = result["streaming_us"]
    return "\n".join(
        [
            *grown,
            f"* Loops that XLA compiled: {loops}. The first call took "
            f"{min(first):.1f} to {max(first):.1f} seconds, everything in it.",
            "* One compiled step of `peephole_lstm` with 256 units at batch 1, "
            f"as in streaming: {streaming['ours']:.0f} microseconds, its "
            f"products alone {streaming['products']:.0f}.",
        ]
    )


def legend(result):
    """Return what the columns are, and where they were measured."""
    versions = ", ".join(f"{n} {v}" for n, v in result["versions"].items())
    return "\n".join(
        [
            *(f"* {name}: {text}" for name, text in MEANING.items()),
            "",
            "Shapes are (batch, steps, inputs, units); milliseconds, medians "
            "and quartiles; float32;",
            f"{result['machine']}; {versions};",
            f"{result['seconds']:g} seconds for each thing compared.",
        ]
    )


def section(result):
    """Return summary, notes and table, the table folded."""
    return (
        f"{summary(result)}\n\n{notes(result)}\n\n{legend(result)}\n\n"
        "<details><summary>All that was measured</summary>\n\n"
        f"{table(result['rows'])}\n\n</details>"
    )


def page(result):
    """Return the result as a page of its own."""
    return f"# Recurrent layers\n\n{section(result)}\n"


def replace_in(path, result):
    """Put the result in a page in place of the one before it."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"{path} needs a line {BEGIN} and one {END}.")
    with replacing(path) as file:
        file.write_text(f"{before}{BEGIN}\n{section(result)}\n{END}{after}")
