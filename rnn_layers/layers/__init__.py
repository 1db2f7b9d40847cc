"""Keras layers on the cells: recurrent, stacked, bidirectional, attention."""
