"""The demo data: pictures of shapes and what is said about them."""
