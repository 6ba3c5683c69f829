"""The option ``--workers``, the same of all commands."""

import typer

HELP = "Processes; 0: one per core that may be used."
WORKERS = typer.Option(0, "--workers", min=0, help=HELP)
