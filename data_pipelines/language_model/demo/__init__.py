"""Sentences whose entropy is known."""
