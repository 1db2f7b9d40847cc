"""Captioning: a picture in, a sentence out (one to many)."""
