"""Translation: a sentence in, a sentence out (many to many)."""
