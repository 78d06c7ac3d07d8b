"""The commands of the gateway."""

import typer

up = typer.Typer()
engine = typer.Typer()
console = typer.Typer()
broker = typer.Typer()
site = typer.Typer()
