"""Video labelling: a label for every frame (many to many, aligned)."""
