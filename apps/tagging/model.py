"""Words read in both directions, then labelled, or hung on their heads.

    words, shapes [B, T], characters [B, T, C] -> inputs [B, T, D]
    -> states [B, T, 2 U] -> scores of labels [B, T, K], of intents [B, I]
                          or scores of heads [B, T, T + 1] and, given heads, of
                             relations [B, T, K]; of parts of speech [B, T, P]

Letters of shapes: B batch, T words, C characters of a word, D size of an input,
U units, K labels, I intents, P parts of speech, W size of a state. Word 0 and
character 0 are padding; head 0 is the root.
"""

import keras
import numpy as np
from keras import layers, ops

import rnn_layers
from apps.common.optimizer import adamw, compiled
from apps.common.transfer import Names, Origin
from data_pipelines.tagging.datasets import NONE, Datasets
from data_pipelines.tagging.features import SHAPES, Features
from data_pipelines.tagging.schemes import forbidden

from .config import Config

# Training by the size of the data: steps, and the fewest and most epochs.
LENGTHS = {"tag": (4000, 12, 60), "parse": (6000, 20, 150)}

SHAPE_SIZE = 8
CHARACTER_SIZE = 30
COLUMN_SIZE = 32
ARC_UNITS, RELATION_UNITS = 256, 64
IMPOSSIBLE = -1e9
LOWEST = -1e4  # below all states, in half precision too


def build(
    config: Config,
    features: Features,
    labels: list[str],
    intents: int = 0,
    vectors: np.ndarray | None = None,
    compile_loops: bool = False,
    pos: int = 0,
) -> keras.Model:
    """Return the model: of words, shapes and characters, in a parse of heads.

    Behind those stand further columns, heads are the last.

    Args:
        config: The `Config`, `of_task`.
        features: Vocabularies of words and characters.
        labels: Tags or relations.
        intents: How many there are.
        vectors: Word vectors to begin from.
        compile_loops: Whether XLA compiles the recurrent ones.
        pos: How many parts of speech a parse learns, too.
    """
    words, shapes, *columns = (
        keras.Input((None,), dtype="int32", name=f"{name}_ids")
        for name in ("word", "shape", *features.columns)
    )
    characters = keras.Input((None, None), dtype="int32", name="character_ids")
    inputs = [words, shapes, characters, *columns]
    real = ops.not_equal(words, 0)  # B T
    states = _states(
        config, features, vectors, compile_loops, *inputs
    )  # B T 2U
    if config.task == "parse":
        heads = keras.Input((None,), dtype="int32", name="heads")
        outputs = _parser(config, states, words, heads, len(labels))
        if pos:
            scores = layers.Dense(pos, dtype="float32", name="pos_scores")
            outputs.append(scores(states))
        return keras.Model([*inputs, heads], outputs, name="parsing")
    # A softmax at each step is a field without transitions.
    is_field = config.output == "crf"
    scores = layers.Dense(len(labels), name="scores")(states)
    scores = rnn_layers.CRF(
        len(labels),
        forbidden(labels) if is_field else (),
        trainable=is_field,
        name="crf",
    )(scores, mask=real)
    if not intents:
        return keras.Model(inputs, scores, name="tagging")
    # One word tells some intents, all of them together tell others.
    attention = rnn_layers.AttentionPooling(heads=2, name="attention")
    inside = ops.where(real[..., None], states * 1, LOWEST)
    pooled = [attention(states, mask=real), ops.max(inside, axis=1)]
    wanted = layers.Dense(
        intents, activation="softmax", dtype="float32", name="intents"
    )(layers.Concatenate()(pooled))
    return keras.Model(inputs, [scores, wanted], name="tagging")


def _states(config, features, vectors, compile_loops, *inputs):
    """Return what is read of the words, `(B, T, 2 U)`."""
    words, shapes, characters, *columns = inputs
    size = config.embedding_size if vectors is None else vectors.shape[1]
    embedding = layers.Embedding(len(features.words), size, name="words")
    if vectors is not None:
        embedding.build()
        embedding.set_weights([vectors])
    parts = [
        embedding(words),
        layers.Embedding(SHAPES, SHAPE_SIZE, name="shapes")(shapes),
    ]
    for column, (name, values) in zip(
        columns, features.columns.items(), strict=True
    ):
        named = layers.Embedding(len(values), COLUMN_SIZE, name=f"of_{name}")
        parts.append(named(column))
    if config.characters != "none":
        vocabulary = len(features.characters)
        parts.append(_spelling(config, vocabulary, compile_loops, characters))
    # One mask a sentence (Gal and Ghahramani, 2016).
    x = layers.SpatialDropout1D(config.dropout)(layers.Concatenate()(parts))
    x = rnn_layers.stack(
        config.cell,
        config.units,
        config.depth,
        bidirectional=True,
        dropout=config.dropout,
        recurrent_dropout=config.recurrent_dropout,
        return_sequences=True,
        compiled=compile_loops,
        name="recurrent",
    )(x, mask=ops.not_equal(words, 0))
    return layers.SpatialDropout1D(config.dropout)(x)


def _spelling(config, vocabulary, compile_loops, characters):
    """Return what is read of the characters of each word, `(B, T, S)`."""
    x = layers.Embedding(vocabulary, CHARACTER_SIZE, name="characters")(
        characters
    )  # B T C E
    real = ops.not_equal(characters, 0)  # B T C
    if config.characters == "rnn":
        reader = rnn_layers.stack(
            config.cell,
            -(-config.character_units // 2),
            bidirectional=True,
            compiled=compile_loops,
        )
        return rnn_layers.TimeDistributed(reader, name="spelling")(x, mask=real)
    real = ops.cast(ops.expand_dims(real, -1), x.dtype)
    x = layers.Conv2D(
        config.character_units,
        (1, 3),
        padding="same",
        activation="relu",
        name="spelling",
    )(x * real)
    return ops.max(x * real, axis=2)


def _parser(config, states, words, heads, relations):
    """Return scores of heads and relations (Dozat and Manning, 2017)."""
    states = states * 1  # without its mask, which no layer here needs
    nothing = ops.zeros_like(words[:, :1])  # B 1
    root = layers.Embedding(1, states.shape[-1], name="root")(nothing)
    with_root = ops.concatenate([root, states], axis=1)  # B T+1 W
    real = ops.concatenate([nothing + 1, words], axis=1) > 0  # B T+1
    place = ops.cumsum(ops.ones_like(words), axis=1)  # B T, from 1 on
    places = ops.concatenate([nothing, place], axis=1)[:, None]  # B 1 T+1

    def role(name, units, x):
        x = layers.Dense(units, activation="relu", name=name)(x)
        return layers.SpatialDropout1D(config.dropout)(x)

    dependent = role("arc_dependent", ARC_UNITS, states)
    head = role("arc_head", ARC_UNITS, with_root)
    arcs = ops.einsum(
        "bta,bsa->bts", layers.Dense(ARC_UNITS, name="arcs")(dependent), head
    )
    # No word is its own head.
    others = ops.not_equal(place[..., None], places)  # B T T+1
    possible = ops.logical_and(real[:, None], others)
    arcs = ops.where(possible, ops.cast(arcs, "float32"), IMPOSSIBLE)

    dependent = role("relation_dependent", RELATION_UNITS, states)
    head = role("relation_head", RELATION_UNITS, with_root)
    chosen = ops.equal(heads[..., None], places)  # B T T+1
    chosen = ops.cast(chosen, head.dtype)
    chosen = ops.matmul(chosen, head)  # B T R
    pairs = layers.Dense(relations * RELATION_UNITS, name="pairs")(dependent)
    pairs = layers.Reshape((-1, relations, RELATION_UNITS))(pairs)
    both = layers.Concatenate()([dependent, chosen])
    scores = layers.Dense(relations, name="relations")(both)
    scores = scores + ops.einsum("btkr,btr->btk", pairs, chosen)
    return [
        layers.Activation("linear", dtype="float32", name=name)(x)
        for name, x in (("head_scores", arcs), ("relation_scores", scores))
    ]


def names(origin: Origin | None, data: Datasets) -> dict[str, Names]:
    """Return what rows of weights belong to, in a run and in the data."""
    if origin is None:
        return {}
    labels = origin.names("labels", "labels.txt", data.labels)
    letters = data.features.characters.words
    return {
        "words": origin.names(
            "words", "vocabulary.txt", data.features.words.words
        ),
        "characters": origin.names("letters", "characters.txt", letters),
        **dict.fromkeys(("scores", "crf", "pairs", "relations"), labels),
        "intents": origin.names("intents", "intents.txt", data.intents),
        "pos_scores": origin.names("pos", "pos.txt", data.pos),
        **{
            f"of_{name}": origin.names(
                name, f"feature_{name}.txt", values.words
            )
            for name, values in data.features.columns.items()
        },
    }


def compile_model(model: keras.Model, config: Config, steps: int) -> None:
    """Set optimizer and loss; `steps` is the length of training."""
    if config.task == "parse":
        loss = [
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, ignore_class=NONE, name=name
            )
            for name in ("heads", "relations", "pos")[: len(model.outputs)]
        ]
    else:
        loss = [rnn_layers.CRFLoss(model.get_layer("crf"))]
        if len(model.outputs) > 1:
            intents = keras.losses.SparseCategoricalCrossentropy(
                ignore_class=NONE, name="intents"
            )
            loss.append(intents)
    model.compile(
        adamw(
            config,
            steps,
            warmup=steps // 20,
            floor=0.01,
            averaging=config.averaging,
        ),
        loss=loss if len(loss) > 1 else loss[0],
        jit_compile=compiled(config),
    )
    if len(loss) > 1:
        # Each has a mean, which Keras creates as late as in the first step; a
        # step that creates variables is traced twice, which takes seconds.
        scores = [
            ops.zeros([size or 1 for size in output.shape])
            for output in model.outputs
        ]
        targets = [ops.zeros(score.shape[:-1], "int32") for score in scores]
        model.compute_loss(y=targets, y_pred=scores)
