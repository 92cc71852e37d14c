"""Proctor decides whether AI may go ahead: governance as code on Open Policy Agent."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proctor.notebook.training import preflight, training

__version__ = "0.1.0"
__all__ = ["__version__", "preflight", "training"]


def __getattr__(name: str) -> Any:
    """Load what a notebook uses when it is used: `import proctor` alone costs nothing (PEP 562)."""
    if name in {"preflight", "training"}:
        from proctor.notebook import training as module  # noqa: PLC0415

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
