"""Records in, batches out: one package a task, on shared rooms."""
