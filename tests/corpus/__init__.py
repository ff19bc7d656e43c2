"""Accuracy on the recordings corpus, which stays outside the repository: `make accuracy`."""
