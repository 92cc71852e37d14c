"""Who takes part in the demo: people with keys and logins, and two services, MLflow and the data catalog."""

from collections.abc import Mapping
from typing import Any, Final

from proctor.cli.demo import objects
from proctor.cli.demo.stage import Stage

OWNER_IN_CATALOG: Final = "team:cheques"
"""What the catalog calls Olga."""
MLFLOW_USERS: Final = ("alice", "victor", "mallory")
_CATALOG_ASSERTS: Final = (
    "catalog", "ownership", "sensitivity", "legal", "purposes", "consent", "licence", "retention",
)  # fmt: skip
"""Groups of facts of which the catalog's word counts."""
_SCIENTIST: Final[Mapping[str, Any]] = {
    "roles": ["requester"],
    "purposes": [objects.PURPOSE],
    "data_classes": ["personal"],
}


def enter(stage: Stage) -> None:
    """Add everybody, with the keys that they need and no more."""
    for name in MLFLOW_USERS:
        stage.principal(name, **_SCIENTIST)
        stage.alias(name, "mlflow", name)
        stage.key(name, ["requester"], points=["notebook"], environments=["dev"])
    stage.principal("olga")
    stage.alias("olga", "catalog", OWNER_IN_CATALOG)
    stage.principal("bruno", roles=["requester", "approver"], environments=[objects.ENVIRONMENT])
    stage.alias("bruno", "kubernetes", objects.DEPLOYER)
    stage.key("bruno", ["requester", "approver"], points=[], environments=[])
    stage.principal("carla", roles=["approver"], environments=[])
    stage.key("carla", ["approver"], points=[], environments=[])
    stage.principal("mlflow", "service", roles=["gate"])
    stage.key("mlflow", ["gate"], points=["mlflow-registry"], environments=["*"])
    stage.principal("catalog", "service", roles=["gate"])
    asserts = [f"datasets/*/{group}" for group in _CATALOG_ASSERTS]
    stage.key("catalog", ["gate"], kind="catalog", asserts=asserts)
    stage.tell.say(
        f"A bank wants to read the digits on cheques. Olga answers for the data, Alice trains the model, Victor "
        f"validates it, Bruno ({objects.DEPLOYER}) deploys it, Carla approves exceptions, and Mallory tries her luck."
    )


def log_into_mlflow(stage: Stage) -> None:
    """Give those who work with MLflow a login."""
    for name in MLFLOW_USERS:
        stage.registry.add_user(name)
