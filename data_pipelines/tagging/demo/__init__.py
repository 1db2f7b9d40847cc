"""The demo of tagging: requests to a house that plays music."""
