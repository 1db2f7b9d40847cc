"""Sentences with relations between words that are known."""
