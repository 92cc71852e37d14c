"""Proctor decides whether AI may go ahead: governance as code on Open Policy Agent."""

TYPE_CHECKING = False
"""`typing` has one, and takes a third as long to import as Python takes to start: `proctor --version` spares it."""
if TYPE_CHECKING:
    from typing import Any

    from proctor.notebook.training import preflight, training

__version__ = "0.1.0"
__all__ = ["__version__", "preflight", "training"]


def __getattr__(name: str) -> "Any":
    """Load what a notebook uses when it is used: `import proctor` alone costs nothing (PEP 562)."""
    if name in {"preflight", "training"}:
        from proctor.notebook import training as module  # noqa: PLC0415

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
