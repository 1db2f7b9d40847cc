"""Records from disk to tf.data batches, one module a task."""
