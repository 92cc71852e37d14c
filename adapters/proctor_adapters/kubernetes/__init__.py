"""Kubernetes admission: AdmissionReviews in, allowed or denied with a readable reason out.

Routes that need no credential, because an API server presents none that managed clusters let us check:

- `/admit`, `/admit/`, `/admit/{registration}`, `/admit/{registration}/`: the answer carries no authority (the API
  server that asked acts on it, anybody else learns a verdict on an object of their own) and the server limits the
  rate.

`/check` judges manifests ahead of time, for CI, and needs a credential.
"""

from proctor.plugins import Adapter, Services
from proctor_adapters.kubernetes.configuration import KubernetesSettings
from proctor_adapters.kubernetes.routes import UNAUTHENTICATED, router
from proctor_adapters.kubernetes.translate import translate_manifest

__all__ = ["create", "states"]


def create(services: Services) -> Adapter:
    """Return the adapter. Raises `SettingsError` when the section `adapters.kubernetes` is wrong."""
    settings = KubernetesSettings.read(services.configuration)

    def translate(manifest: object, **options: str | None) -> object:
        return translate_manifest(manifest, settings, **options)

    return Adapter(
        name="kubernetes",
        router=router(services, settings),
        unauthenticated=UNAUTHENTICATED,
        translate_manifest=translate,
        extras={"settings": settings, "states": states()},
    )


def states() -> tuple[str, ...]:
    """Return the fact groups that come with the adapter's questions."""
    return ("models/*/reference", "images/*/reference", "workload")
