"""Tagging: a label for every word, or its head: slots, names, parses."""
