"""The API's routes, one module for each kind of thing. Which of them exist is said in `server/access.py`."""

from fastapi import APIRouter

from proctor.server.routes import audit, decisions, identity, ledger, lifecycle, models, policy, waivers


def routers() -> list[APIRouter]:
    """Return the routers of the API."""
    modules = (audit, decisions, waivers, models, lifecycle, identity, ledger, policy)
    return [module.router() for module in modules]
