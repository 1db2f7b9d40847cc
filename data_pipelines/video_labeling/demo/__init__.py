"""The demo data: clips of moving sprites."""
