"""Records in, batches out: one module per task, shared parts beside it."""
