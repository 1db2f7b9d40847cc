"""Skip-gram and CBOW with negative sampling, as products of matrices.

Mikolov et al. 2013, https://arxiv.org/abs/1310.4546. Each word has a vector v,
which is the result, and one as a context, u. With s(x) = 1 / (1 + exp(-x)),

    skip-gram   for each word w and each word c of its window
                -log s(u_c v_w) - sum over k negatives n of log s(-u_n v_w)
    CBOW        for each word w, with h the mean of v_c over its window
                -log s(u_w h) - sum over k negatives n of log s(-u_n h)

and a step of gradient descent moves all of them; in CBOW each v_c by the whole
gradient of h, as word2vec does. A negative that is the word to be predicted is
left out.

Word by word that is a handful of short products. Here all words of a tile share
their negatives, each of which counts k / K times, and a tile's pairs are a band
of the product of its vectors and those of its contexts; see the pipeline. So
all is computed by products of matrices, several times as fast. The gradients of
a block are added up, as if its words had been read at the same time.

Letters of shapes: S blocks, B tiles of a block, T words of a tile, C words with
those on either side, K negatives of a tile, D size of a vector, V vocabulary.
"""

import keras
import numpy as np
import tensorflow as tf

from data_pipelines.word_vectors.datasets import TILE

from .config import Config

# The last learning rate, as a share of the first one, as word2vec has it.
_FLOOR = 1e-4

# Blocks of a batch whose loss is measured, before they change anything.
_MEASURED = 4


def shared_negatives(config: Config) -> int:
    """Return K: as many as words in a tile; for CBOW half of that.

    A word of skip-gram needs negatives for each word of its window.
    """
    return TILE if config.model == "skip_gram" else TILE // 2


def build(
    config: Config, vocabulary_size: int
) -> tuple["NegativeSampling", keras.Model]:
    """Return the model to train, and that of words `(B,)` to `(B, D)`.

    They share the vectors, which begin small and uniform; contexts begin with
    zeros. Both are zero for the special words.
    """
    size = (vocabulary_size, config.embedding_size)
    random = np.random.default_rng([config.seed, 0x7EC])
    first = (random.random(size, np.float32) - 0.5) / config.embedding_size
    first[:2] = 0
    vectors = keras.layers.Embedding(*size, name="vectors")
    contexts = keras.layers.Embedding(*size, name="contexts")
    for layer, values in ((vectors, first), (contexts, np.zeros(size))):
        layer.build()
        layer.set_weights([values])
    words = keras.Input((), dtype="int32", name="words")
    model = keras.Model(words, vectors(words), name="word_vectors")
    return NegativeSampling(config, vectors, contexts), model


def compile_model(
    trained: "NegativeSampling", config: Config, steps: int
) -> None:
    """Set the learning rate; `steps` is the length of training."""
    rate = keras.optimizers.schedules.PolynomialDecay(
        config.learning_rate, steps, config.learning_rate * _FLOOR
    )
    # XLA joins the small operations of a block: twice as fast.
    trained.compile(keras.optimizers.SGD(rate), jit_compile=True)


class NegativeSampling(keras.Model):
    """Vectors and contexts, and a training step on a batch of the pipeline.

    Args:
        config: The `Config`.
        vectors: The embedding that is the result.
        contexts: The other one.
    """

    def __init__(
        self,
        config: Config,
        vectors: keras.layers.Embedding,
        contexts: keras.layers.Embedding,
    ):
        super().__init__(name="negative_sampling")
        self.vectors = vectors
        self.contexts = contexts
        self.function = skip_gram if config.model == "skip_gram" else cbow
        self.window = config.window
        self.negatives = config.negatives
        self.mean_loss = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self):
        return [self.mean_loss]

    def train_step(self, batch):
        rate = self.optimizer.learning_rate
        parts = batch["tokens"], batch["left"], batch["right"]
        # Of a few blocks in a batch: what it costs is hardly noticed.
        few = (
            tf.reshape(part[:_MEASURED], (-1, part.shape[-1])) for part in parts
        )
        self.mean_loss.update_state(self.block(*few)[0])

        def change(number):
            _, changes = self.block(*(part[number] for part in parts))
            for layer, words, gradient in changes:
                slices = tf.IndexedSlices(rate * gradient, words)
                layer.embeddings.value.scatter_sub(slices)
            return number + 1

        tf.while_loop(
            lambda number: number < batch["blocks"],
            change,
            [tf.constant(0)],
            parallel_iterations=1,
        )
        self.optimizer.iterations.assign_add(1)
        return {"loss": self.mean_loss.result()}

    def block(
        self, tokens: tf.Tensor, left: tf.Tensor, right: tf.Tensor
    ) -> tuple[tf.Tensor, list]:
        """Return the loss of a block, and what to take off which vectors.

        Args:
            tokens: `(B, C + K)`.
            left: `(B, T)`.
            right: `(B, T)`.

        Returns:
            The mean over what is predicted, and for both embeddings: the layer,
            words, and the gradient of the sum for each of them.
        """
        around = TILE + 2 * self.window
        text, drawn = tokens[:, :around], tokens[:, around:]
        words = text[:, self.window : self.window + TILE]  # B T
        if self.function is skip_gram:
            read, predicted = words, tokens
        else:
            read, predicted = text, tf.concat([words, drawn], 1)
        vectors, contexts = (
            tf.gather(layer.embeddings.value, rows)
            for layer, rows in (
                (self.vectors, read),
                (self.contexts, predicted),
            )
        )
        loss, *gradients = self.function(
            predicted,
            in_window(left, right, self.window),
            vectors,
            contexts,
            self.negatives,
        )
        layers = (self.vectors, read), (self.contexts, predicted)
        return loss, [
            (layer, rows, gradient)
            for (layer, rows), gradient in zip(layers, gradients, strict=True)
        ]


def in_window(left: tf.Tensor, right: tf.Tensor, window: int) -> tf.Tensor:
    """Return 1 for each word `(B, T, C)` in the window of a word, else 0."""
    left, right = (tf.cast(side, tf.int32)[..., None] for side in (left, right))
    places = np.arange(TILE + 2 * window) - window
    distance = tf.constant(places - np.arange(TILE)[:, None], tf.int32)  # T C
    inside = (distance >= -left) & (distance <= right) & (distance != 0)
    return tf.cast(inside, tf.float32)


def skip_gram(
    predicted: tf.Tensor,
    pairs: tf.Tensor,
    vectors: tf.Tensor,
    contexts: tf.Tensor,
    negatives: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the mean loss of pairs, and the gradients of its sum.

    Args:
        predicted: `(B, C + K)` words, and negatives.
        pairs: `(B, T, C)`, which words are in the window of a word.
        vectors: `(B, T, D)` of the words of the tile.
        contexts: `(B, C + K, D)` of those to predict.
        negatives: k.
    """
    around = pairs.shape[2]
    text, drawn = predicted[:, :around], predicted[:, around:]
    others = tf.cast(text[:, :, None] != drawn[:, None, :], tf.float32)  # B C K
    # How many of a word's pairs a negative is one of.
    shared = tf.matmul(pairs, others) * (negatives / drawn.shape[1])  # B T K
    targets = tf.concat([pairs, tf.zeros_like(shared)], 2)
    weights = tf.concat([pairs, shared], 2)
    logits = tf.matmul(vectors, contexts, transpose_b=True)  # B T C+K
    slopes = weights * tf.sigmoid(logits) - targets
    loss = weights * tf.nn.softplus(logits) - targets * logits
    return (
        tf.math.divide_no_nan(tf.reduce_sum(loss), tf.reduce_sum(pairs)),
        tf.matmul(slopes, contexts),
        tf.matmul(slopes, vectors, transpose_a=True),
    )


def cbow(
    predicted: tf.Tensor,
    pairs: tf.Tensor,
    vectors: tf.Tensor,
    contexts: tf.Tensor,
    negatives: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the mean loss of words, and the gradients of its sum.

    That of the vectors is the gradient of the mean of a window, for each of
    its words.

    Args:
        predicted: `(B, T + K)` words, and negatives.
        pairs: `(B, T, C)`, which words are in the window of a word.
        vectors: `(B, C, D)` of the words of the tile, and around.
        contexts: `(B, T + K, D)` of those to predict.
        negatives: k.
    """
    words, drawn = predicted[:, :TILE], predicted[:, TILE:]
    own, drawn_contexts = contexts[:, :TILE], contexts[:, TILE:]
    sizes = tf.reduce_sum(pairs, axis=2, keepdims=True)  # B T 1
    some = tf.minimum(sizes, 1)
    means = tf.matmul(pairs, vectors) / tf.maximum(sizes, 1)  # B T D
    others = tf.cast(words[:, :, None] != drawn[:, None, :], tf.float32)
    shared = others * some * (negatives / drawn.shape[1])  # B T K
    logit = tf.reduce_sum(means * own, axis=2, keepdims=True)  # B T 1
    logits = tf.matmul(means, drawn_contexts, transpose_b=True)  # B T K
    slope = some * (tf.sigmoid(logit) - 1)
    slopes = shared * tf.sigmoid(logits)
    loss = tf.reduce_sum(some * tf.nn.softplus(-logit)) + tf.reduce_sum(
        shared * tf.nn.softplus(logits)
    )
    gradient = slope * own + tf.matmul(slopes, drawn_contexts)  # of the means
    return (
        tf.math.divide_no_nan(loss, tf.reduce_sum(some)),
        tf.matmul(pairs, gradient, transpose_a=True),
        tf.concat(
            [slope * means, tf.matmul(slopes, means, transpose_a=True)], 1
        ),
    )
