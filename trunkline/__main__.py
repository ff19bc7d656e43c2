"""`python -m trunkline`: the same as the `trunkline` command; `up` starts its children so."""

from trunkline.cli import main

main()
