"""`proctor serve`: the server."""

from typing import Annotated, Any

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; beyond loopback needs TLS.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The API's port; 0 picks a free one.")] = None,
    operations_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Health, readiness and metrics; 0 picks a free one.")
    ] = None,
) -> None:
    """Run the server: API, admission endpoint, managed OPA and ledger. Needs no configuration.

    The supported OPA is built with Go, once, where there is none yet.
    """
    from proctor.cli.terminal import progress
    from proctor.opa import binary
    from proctor.server.run import run
    from proctor.settings import Settings, load

    settings = load()
    given: dict[str, Any] = {"host": host, "port": port, "operations_port": operations_port}
    changed = settings.server.model_dump() | {name: value for name, value in given.items() if value is not None}
    settings = Settings.model_validate(settings.model_dump() | {"server": changed})
    # Policies are built with it even where another OPA decides.
    found = binary.install(settings, progress)
    progress(f"OPA {found.version}: {found.origin}")
    run(settings)
