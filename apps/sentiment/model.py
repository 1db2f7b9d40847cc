"""Text classifier: words read by a recurrent stack, pooled by attention.

    tokens [B, T] -> word vectors and n-gram ratios [B, T, D + K]
    -> states [B, T, U] -> pooled [B, U] -> probabilities [B, C]

Letters of shapes: B batch, T words, D size of a word vector, K n-gram ratios of
a word, U units (twice as many when bidirectional), C classes, V vocabulary.
Word 0 is padding.
"""

import keras
import numpy as np
from keras import layers, ops

import rnn_layers
from apps.common import ensemble
from apps.common.classification_metrics import MacroF1
from apps.common.optimizer import adamw, compiled
from apps.common.transfer import Names, Origin
from data_pipelines.sentiment.datasets import Datasets

from .config import Config
from .ratios import Ratios, columns


def build(
    config: Config,
    vocabulary_size: int,
    classes: int,
    ratios: Ratios,
    vectors: np.ndarray | None = None,
    compile_loops: bool = False,
) -> tuple[keras.Model, keras.Model]:
    """Return the model to train and the classifier, which share all weights.

    The classifier takes word ids `(B, T)` to probabilities `(B, C)`. The model
    to train is the same one, or, if there are ratios, takes them as a second
    input `(B, T, K)`, because a training text needs other ratios than a new
    one.

    Args:
        config: The `Config`.
        vocabulary_size: V.
        classes: C.
        ratios: The `Ratios` of the training texts.
        vectors: `(V, D)`, word vectors to begin from.
        compile_loops: Whether XLA compiles the recurrent ones.
    """
    classify = _network(
        config, vocabulary_size, classes, vectors, compile_loops
    )
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    if not ratios.width:
        classifier = keras.Model(tokens, classify(tokens), name="sentiment")
        return classifier, classifier
    held_out = keras.Input((None, ratios.width), name="held_out_ratios")
    trained = keras.Model([tokens, held_out], classify(tokens, held_out))
    probabilities = classify(tokens, ratios.lookup(tokens))
    return trained, keras.Model(tokens, probabilities, name="sentiment")


def _network(config, vocabulary_size, classes, vectors, compile_loops):
    """Return a function of `(B, T)` tokens and `(B, T, K)` ratios."""
    size = config.embedding_size if vectors is None else vectors.shape[1]
    embedding = layers.Embedding(vocabulary_size, size, name="words")
    if vectors is not None:
        embedding.build()
        embedding.set_weights([vectors])
    # Dropped words teach the model not to lean on single ones, dropped features
    # not to lean on single directions of the vectors.
    drop_words = layers.Dropout(config.word_dropout, (None, None, 1))
    drop_features = layers.SpatialDropout1D(config.dropout)
    recurrent = rnn_layers.stack(
        config.cell,
        config.units,
        config.depth,
        bidirectional=config.bidirectional,
        dropout=config.dropout,
        return_sequences=True,
        compiled=compile_loops,
        name="recurrent",
    )
    pool = rnn_layers.AttentionPooling(return_weights=True, name="attention")
    drop_pooled = layers.Dropout(config.dropout)
    output = layers.Dense(
        classes, activation="softmax", dtype="float32", name="classes"
    )

    def classify(tokens, ratios=None):
        real = ops.not_equal(tokens, 0)  # B T
        x = drop_features(drop_words(embedding(tokens)))  # B T D
        if ratios is not None:
            x = layers.Concatenate()([x, ratios])  # B T D+K
        x = recurrent(x, mask=real)  # B T U
        x, _ = pool(x, mask=real)  # B U
        return output(drop_pooled(x))  # B C

    return classify


def ratios_of(origin: Origin | None, labels: list[str]) -> np.ndarray | None:
    """Return the table of ratios of a run, if these are its labels."""
    if origin is None or {*origin.labels} != {*labels}:
        return None
    layers = {layer.name: layer for layer in origin.model.layers}
    return layers["ratios"].get_weights()[0] if "ratios" in layers else None


def names(
    origin: Origin | None, config: Config, data: Datasets
) -> dict[str, Names]:
    """Return what rows of weights belong to, in a run and in the data."""
    if origin is None:
        return {}
    words = origin.names("words", "vocabulary.txt", data.vocabulary.words)
    labels = origin.names("labels", "labels.txt", data.labels)
    names = {"words": words, "classes": labels}
    if {*labels.old} != {*labels.new}:
        # The table is counted anew, and stands beside the vectors of words.
        names["ratios"] = Names("ratios", (), columns(labels.new))
        inputs = (_inputs(config, own) for own in (labels.old, labels.new))
        names["recurrent/layer_1"] = Names("inputs", *inputs, inputs=True)
    return names


def _inputs(config, labels):
    """Return the names of the numbers of a word: its vector, its ratios."""
    return [
        *(f"vector {number}" for number in range(config.embedding_size)),
        *(
            f"{order + 1}-gram {label}"
            for order in range(config.ngrams)
            for label in columns(labels)
        ),
    ]


def compile_model(trained: keras.Model, config: Config, steps: int) -> None:
    """Set optimizer, loss and metrics; `steps` is the length of training."""
    trained.compile(
        adamw(config, steps, warmup=steps // 10, floor=0.05),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            MacroF1(trained.output.shape[-1]),
        ],
        jit_compile=compiled(config),
    )


def explainer(*classifiers: keras.Model) -> keras.Model:
    """Return a loaded classifier with a second output: the words' weights.

    The weights `(B, T)` are those of the attention pooling; they add up to one
    over the words of a text and are zero at padding. Several classifiers are
    an ensemble.
    """
    members = []
    for classifier in classifiers:
        _, weights = classifier.get_layer("attention").output
        outputs = [classifier.output, weights]
        members.append(keras.Model(classifier.input, outputs))
    if len(members) == 1:
        return members[0]
    return ensemble.joined(members, ensemble.probabilities, ensemble.mean)
