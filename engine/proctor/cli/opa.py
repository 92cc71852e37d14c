"""`proctor opa`: which Open Policy Agent Proctor uses."""

import typer

from proctor.cli.terminal import progress, result

app = typer.Typer(no_args_is_help=True, help="Find or install the supported Open Policy Agent.")


@app.command()
def path() -> None:
    """Print the path of the OPA that Proctor uses."""
    from proctor.opa import binary
    from proctor.settings import load

    found = binary.find(load())
    progress(f"OPA {found.version}: {found.origin}")
    result(str(found.path))


@app.command()
def version() -> None:
    """Print the version of the OPA that Proctor uses, and the versions that it supports."""
    from proctor.opa import binary
    from proctor.settings import load

    found = binary.find(load())
    result(f"{found.version}")
    progress(f"{found.origin}; supported: {', '.join(binary.SUPPORTED)}")


@app.command()
def install() -> None:
    """Build the pinned OPA with Go; does nothing where a supported one is there."""
    from proctor.opa import binary
    from proctor.settings import load

    found = binary.install(load(), progress)
    progress(f"OPA {found.version}: {found.origin}")
    result(str(found.path))
