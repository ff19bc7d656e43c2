"""The budgets of docs/budgets.md, measured as ratios in one run: `make bench`."""
