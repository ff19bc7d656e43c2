"""Faults on purpose: what is killed, wiped, filled up, refused or fed with rubbish, and no loss."""
