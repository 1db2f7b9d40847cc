"""Sentiment: a text in, a class and its probability out (many to one)."""
