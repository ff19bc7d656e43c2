"""Where samples, results and people are kept."""
