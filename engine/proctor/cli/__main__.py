"""`python -m proctor.cli`: the command line without its installed script."""

from proctor.cli.main import main

main()
