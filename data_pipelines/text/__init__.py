"""Texts: words, vocabularies, tokenizers, word vectors."""
