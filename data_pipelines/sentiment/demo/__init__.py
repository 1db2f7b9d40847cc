"""The demo data: film reviews by a grammar."""
