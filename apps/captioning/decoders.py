"""How the decoder is conditioned on the picture, by name.

With w_t the vector of word t, a_r region r of the picture, v a vector of the
whole picture, and h_t = cell(x_t, h_{t-1}) the recurrence:

    attention      x_t = w_t; the output is tanh([c_t, h_t] @ W) with c_t the
                   mean of the regions, weighted by how well each suits h_t
                   (Xu et al., 2015, https://arxiv.org/abs/1502.03044, with
                   the order of Luong et al., 2015); h_0 = v
    every_step     x_t = [w_t, v]; so W_ih v is added to the projection of every
                   step, whatever the cell:
                   h_t = tanh(W_xh w_t + W_hh h_{t-1} + W_ih v) for the simple
                   one (Karpathy and Fei-Fei, 2015,
                   https://arxiv.org/abs/1412.2306, section 3.2, where it is
                   added at the first step only)
    first_step     x_0 = v, before the first word (Vinyals et al., 2015,
                   https://arxiv.org/abs/1411.4555, section 3)
    initial_state  h_0 = tanh(v @ W + b), in every layer, and so the memory c_0
                   where a cell has one (Xu et al., 2015, section 3.1.2); the
                   other states of a cell begin as they do

All classes have the same methods, over layers that a model keeps under their
names.

Letters of shapes: B batch, K hypotheses of a picture, N rows of a step, T time,
R regions, D size of a word vector, U units.
"""

import keras
from keras import ops

import rnn_layers

ATTENTION_SCORES = ("additive", "general", "dot")

# The states that `initial_state` sets: the output and the memory.
CONDITIONED_STATES = 2


class AttentionConditioning:
    """Attention over the regions: `attention`.

    Args:
        layer: The `rnn_layers.AttentionDecoder`.
    """

    def __init__(self, layer: rnn_layers.AttentionDecoder):
        self.layer = layer

    @classmethod
    def build(cls, config, compiled: bool) -> "AttentionConditioning":
        """Make the layers of a `Config`."""
        return cls(
            rnn_layers.AttentionDecoder(
                config.cell,
                config.units,
                config.attention_score,
                {"compiled": compiled},
                config.depth,
                config.attention_units or None,
                name="decoder",
            )
        )

    @classmethod
    def of_model(cls, model: keras.Model, name: str) -> "AttentionConditioning":
        """Take the layers of a trained model."""
        return cls(model.get_layer("decoder"))

    def __call__(self, words, memory, vector):
        """Run over captions, `(B, T, D)` to `(B, T, U)`.

        `memory` are the regions `(B, R, U)`, `vector` is `(B, U)`.
        """
        return self.layer(words, memory, initial_state=[vector])

    def prepare(self, memory, vector):
        """Return what every step needs of the picture."""
        return self.layer.prepare(memory)

    def initial_state(self, memory, vector):
        """Return the states before the first word, and weights `(B, R)`."""
        states = self.layer.get_initial_state(ops.shape(vector)[0], [vector])
        return states, ops.zeros(ops.shape(memory)[:2])

    def step(self, words, states, prepared):
        """Take one word `(N, D)`; return the output, states and weights."""
        return self.layer.step(words, states, prepared)


class VectorConditioning:
    """The other three, where the decoder never looks at regions.

    Args:
        name: Which of them.
        stack: The `rnn_layers.Stack`.
        first_states: For `initial_state`, the layer that makes the first
            states of v.
    """

    def __init__(
        self,
        name: str,
        stack: rnn_layers.Stack,
        first_states: keras.layers.Dense | None = None,
    ):
        self.name = name
        self.stack = stack
        self.first_states = first_states

    @classmethod
    def build(cls, config, compiled: bool) -> "VectorConditioning":
        """Make the layers of a `Config`."""
        stack = rnn_layers.stack(
            config.cell,
            config.units,
            config.depth,
            return_sequences=True,
            compiled=compiled,
            name="recurrent",
        )
        if config.conditioning != "initial_state":
            return cls(config.conditioning, stack)
        size = sum(
            state.shape[-1]
            for states in stack.get_initial_state(1)
            for state in states[:CONDITIONED_STATES]
        )
        first_states = keras.layers.Dense(size, "tanh", name="first_states")
        return cls(config.conditioning, stack, first_states)

    @classmethod
    def of_model(cls, model: keras.Model, name: str) -> "VectorConditioning":
        """Take the layers of a trained model."""
        layers = {layer.name: layer for layer in model.layers}
        stack = layers.get("recurrent")
        if stack is None:  # a run of before the library's stacks could step
            stack = rnn_layers.Stack.of_layers(
                [layers[key] for key in sorted(layers) if "recurrent_" in key]
            )
        return cls(name, stack, layers.get("first_states"))

    def __call__(self, words, memory, vector):
        """Run over captions; see `AttentionConditioning`."""
        if self.name == "initial_state":
            return self.stack(words, initial_state=self._states(vector))
        picture = ops.expand_dims(vector, 1)  # B 1 ?
        if self.name == "first_step":
            x = ops.concatenate([picture, words], axis=1)  # B 1+T D
            return self.stack(x)[:, 1:]
        picture = picture + ops.zeros_like(words[..., :1])
        return self.stack(ops.concatenate([words, picture], axis=-1))

    def _states(self, vector):
        """Return the states of each layer before the first input."""
        rows = ops.zeros_like(vector[:, :1])  # B 1, where B is not known yet
        states = [  # in float32, whatever the vector is
            [state + ops.cast(rows, state.dtype) for state in of_layer]
            for of_layer in self.stack.get_initial_state(1)
        ]
        if self.name == "initial_state":
            values, end = self.first_states(vector), 0
            for of_layer in states:
                for index, state in enumerate(of_layer[:CONDITIONED_STATES]):
                    begin, end = end, end + state.shape[-1]
                    of_layer[index] = ops.cast(
                        values[:, begin:end], state.dtype
                    )
        return states

    def prepare(self, memory, vector):
        """Return what every step needs of the picture."""
        return vector

    def initial_state(self, memory, vector):
        """Return the states before the first word, and no weights."""
        states = self._states(vector)
        if self.name == "first_step":
            _, states = self.stack.step(vector, states)
        return states, ops.zeros((ops.shape(vector)[0], 1))

    def step(self, words, states, vector):
        """Take one word `(N, D)`; return the output, states and weights."""
        if self.name == "every_step":
            words = _beside(words, vector)
        output, states = self.stack.step(words, states)
        return output, states, ops.zeros((ops.shape(words)[0], 1))


def _beside(words, vector):
    """Put `(B, U)` beside `(N, D)`: that of a picture for each of K rows."""
    rows = ops.reshape(words, (ops.shape(vector)[0], -1, words.shape[-1]))
    vector = ops.expand_dims(vector, 1) + ops.zeros_like(rows[..., :1])
    both = ops.concatenate([rows, vector], axis=-1)  # B K D+U
    return ops.reshape(both, (-1, both.shape[-1]))


# Name -> class.
CONDITIONING = {
    "attention": AttentionConditioning,
    "every_step": VectorConditioning,
    "first_step": VectorConditioning,
    "initial_state": VectorConditioning,
}


class AttentionPenalty(keras.layers.Layer):
    """Ask the decoder to look at every region, over a whole caption.

        penalty * mean over captions of sum_r (1 - sum_t a_tr) ** 2

    Doubly stochastic attention: Xu et al., 2015, section 4.2.1, equation 14.
    The output is the logits, unchanged; the attention is computed a second
    time for it.

    Args:
        decoder: The `rnn_layers.AttentionDecoder`.
        penalty: The factor.

    Call arguments: logits `(B, T, V)`, words `(B, T, D)`, real words boolean
    `(B, T)`, memory `(B, R, U)`, vector `(B, U)`.
    """

    def __init__(self, decoder, penalty, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder
        self.penalty = penalty

    def call(self, logits, words, real, memory, vector):
        weights = self.decoder.attention_weights(
            words, memory, initial_state=[vector]
        )  # B T R
        real = ops.cast(real, weights.dtype)  # B T
        totals = ops.sum(weights * ops.expand_dims(real, -1), axis=1)  # B R
        missing = ops.sum(ops.square(1 - totals), axis=-1)  # B
        self.add_loss(self.penalty * ops.mean(missing))
        return logits
