"""Pictures and videos, and an encoder's features of them."""
