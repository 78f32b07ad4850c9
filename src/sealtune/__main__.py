"""``python -m sealtune``: the program, where its script is not on the path."""

from sealtune.cli import main

main()
