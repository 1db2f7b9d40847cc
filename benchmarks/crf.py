"""A training step with a CRF beside the same with a softmax at every step.

    make bench-crf

A batch of 32 sequences of 64 steps goes through an LSTM of 128 units, in one
direction and in both, to the scores of 20 labels. The two steps run in turn,
again and again; printed are medians in milliseconds and the ratio.
"""

import argparse
import statistics
import time

import keras
import tensorflow as tf

import rnn_layers


def training_step(crf, bidirectional, shape, labels):
    """Return a compiled training step of a model on one batch."""
    batch, steps, units = shape
    x = tf.random.normal(shape)
    targets = tf.random.uniform((batch, steps), 0, labels, tf.int32)
    inputs = keras.Input((None, units))
    hidden = rnn_layers.stack(
        "lstm", units, bidirectional=bidirectional, return_sequences=True
    )(inputs)
    scores = keras.layers.Dense(labels)(hidden)
    if crf:
        layer = rnn_layers.CRF(labels)
        scores, loss = layer(scores), rnn_layers.CRFLoss(layer)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Model(inputs, scores)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False)
    def run():
        with tf.GradientTape() as tape:
            value = loss(targets, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    return lambda: run().numpy()


def main():
    """Time the steps and print a line for each kind of network."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--shape", type=int, nargs=3, default=(32, 64, 128))
    parser.add_argument("--labels", type=int, default=20)
    options = parser.parse_args()
    for bidirectional in (False, True):
        steps = {
            name: training_step(
                name == "CRF", bidirectional, options.shape, options.labels
            )
            for name in ("softmax", "CRF")
        }
        times = {name: [] for name in steps}
        for _ in range(options.repeats + 2):
            for name, step in steps.items():
                begin = time.perf_counter()
                step()
                times[name].append(1000 * (time.perf_counter() - begin))
        # The first ones compile.
        softmax, crf = (statistics.median(t[2:]) for t in times.values())
        print(
            f"{'both directions' if bidirectional else 'one direction'}:"
            f" softmax {softmax:.1f} ms, CRF {crf:.1f} ms, {crf / softmax:.2f}"
        )


if __name__ == "__main__":
    main()
