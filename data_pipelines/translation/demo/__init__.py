"""The demo data: english and French sentences by a grammar."""
