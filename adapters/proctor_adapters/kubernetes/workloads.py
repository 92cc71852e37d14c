"""PodSpecs: containers, volumes and mounts; and the table of the kinds that hold one.

An image volume is always both an image and a model: nothing in the object says which it is, a model is what image
volumes were made for (KServe's `oci+native://`), and taking it for one can only refuse too much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proctor_adapters.kubernetes.findings import Found, below, limited
from proctor_adapters.kubernetes.sources import ContainerSources, LocalPath

MAX_LIST: Final = 500
"""Containers, volumes or mounts in one list; etcd's limit of 1.5 MiB allows few more that do anything."""
MAX_TEXT: Final = 1024
CONTAINER_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")
_MODEL_FOLDERS: Final = (
    "/mnt/models",
    "/models",
    "/model",
    "/opt/ml/model",
    "/mnt/pvc",
    "/model-repository",
    "/mnt/lora",
    "/root/.ollama",
)
"""Where serving images look for models when nobody tells them: KServe, Triton, TorchServe, SageMaker, Ollama."""
_READ_ONLY_KINDS: Final = frozenset({"image", "configMap", "secret", "projected", "downwardAPI"})
"""Volumes that the kubelet mounts read-only whatever the mount says."""
_MODEL_CONTAINERS: Final = frozenset({"modelcar", "modelcar-init"})
"""What KServe makes of `storageUri: oci://IMAGE`: a container of the image, whose files the server reads."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind that holds a PodSpec: where it is."""

    group: str
    kind: str
    path: tuple[str, ...]


_TEMPLATE: Final = ("spec", "template", "spec")
ROWS: Final = (
    Row("", "Pod", ("spec",)),
    Row("", "PodTemplate", ("template", "spec")),
    Row("", "ReplicationController", _TEMPLATE),
    Row("apps", "Deployment", _TEMPLATE),
    Row("apps", "ReplicaSet", _TEMPLATE),
    Row("apps", "StatefulSet", _TEMPLATE),
    Row("apps", "DaemonSet", _TEMPLATE),
    Row("extensions", "Deployment", _TEMPLATE),
    Row("extensions", "ReplicaSet", _TEMPLATE),
    Row("extensions", "DaemonSet", _TEMPLATE),
    Row("batch", "Job", _TEMPLATE),
    Row("batch", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
)
BY_KIND: Final = {(row.group, row.kind): row for row in ROWS}


@dataclass(frozen=True, slots=True)
class _Volume:
    kind: str
    """`image`, `persistentVolumeClaim`, `emptyDir`, ...; `missing` for one that the PodSpec does not define."""
    claim: str = ""
    read_only: bool = False
    telling: str = ""
    """Everything that the volume says of its content, in lower case: names of claims, paths, buckets."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is known of the container whose mounts are read."""

    local: list[LocalPath]
    shows: bool
    """It says where its model comes from."""
    filler: bool
    """It is an init container, done before the others start."""


class PodReader:
    """Reads one PodSpec, or a part of another kind that has its shape."""

    def __init__(
        self, spec: Mapping[str, Any], path: str, found: Found, *, role: str = "base", templates: frozenset[str]
    ) -> None:
        self._spec = spec
        self._path = path
        self._found = found
        self._role = role
        self._templates = templates
        self._volumes: dict[str, _Volume] = {}
        self._filled = False
        """True when an init container was seen to fetch a model."""
        self._opaque: set[str] = set()
        """Volumes that an init container has where models lie, without showing what it puts there."""

    def read(self, *, complete: bool) -> None:
        """Note everything. `complete`: the object is meant to run as it stands, so containers and images must be."""
        self._found.governed = True
        self._found.read.add(self._path)
        self._read_volumes()
        before = self._found.sightings
        for name in ("initContainers", "containers", "ephemeralContainers"):
            self._read_list(name, complete=complete)
            if name == "initContainers":
                self._filled = self._found.sightings > before

    def _read_list(self, name: str, *, complete: bool) -> None:
        path = below(self._path, name)
        containers = self._spec.get(name)
        if containers is None and not (complete and name == "containers"):
            return
        if (
            not isinstance(containers, list)
            or len(containers) > MAX_LIST
            or (complete and name == "containers" and not containers)
        ):
            self._found.unknown(path)
            return
        for index, container in enumerate(containers):
            place = below(path, index)
            if isinstance(container, dict):
                self.read_container(container, place, list_name=name, needs_image=complete)
            else:
                self._found.unknown(place)

    def read_container(self, container: Mapping[str, Any], path: str, *, list_name: str, needs_image: bool) -> None:
        """Note one container, or something with a container's fields such as KServe's `predictor.model`."""
        self._found.read.add(path)
        image = container.get("image")
        if image is not None:
            self._found.image(image, below(path, "image"))
            if container.get("name") in _MODEL_CONTAINERS and isinstance(image, str):
                self._found.model(f"oci://{image}", below(path, "image"), self._role)
        elif needs_image:
            self._found.unknown(below(path, "image"))
        # Ephemeral containers can't have resources (core/v1, EphemeralContainerCommon); the Pod's limits bound them.
        if (
            list_name != "ephemeralContainers"
            and not limited(container.get("resources"))
            and not limited(self._spec.get("resources"))
        ):
            self._found.unlimited_container(path)
        before = self._found.sightings
        local = ContainerSources(container, path, self._found, self._role).read()
        filler = list_name == "initContainers" and container.get("restartPolicy") != "Always"
        shows = self._found.sightings > before or bool(local)
        self._read_mounts(container, path, _Reading(local, shows=shows, filler=filler))

    def _read_volumes(self) -> None:
        path = below(self._path, "volumes")
        volumes = self._spec.get("volumes")
        if volumes is None:
            return
        if not isinstance(volumes, list) or len(volumes) > MAX_LIST:
            self._found.unknown(path)
            return
        for index, volume in enumerate(volumes):
            place = below(path, index)
            if not isinstance(volume, dict) or not isinstance(volume.get("name"), str):
                self._found.unknown(place)
                continue
            self._volumes[volume["name"]] = self._volume(volume, place)

    def _volume(self, volume: Mapping[str, Any], path: str) -> _Volume:
        if "image" in volume:
            source = volume["image"]
            reference = source.get("reference") if isinstance(source, dict) else None
            place = below(below(path, "image"), "reference")
            if isinstance(reference, str) and reference:
                self._found.image(reference, place)
                self._found.model(f"oci://{reference}", place, self._role)
            else:
                self._found.unknown(place)
            return _Volume("image", read_only=True)
        if "persistentVolumeClaim" in volume:
            source = volume["persistentVolumeClaim"]
            claim = source.get("claimName") if isinstance(source, dict) else None
            if isinstance(claim, str) and claim:
                return _Volume("persistentVolumeClaim", claim, source.get("readOnly") is True, claim.lower())
            return _Volume("unknown")
        kind = next((key for key in volume if key != "name"), "unknown")
        return _Volume(kind, read_only=kind in _READ_ONLY_KINDS, telling=_texts(volume.get(kind)))

    def _read_mounts(self, container: Mapping[str, Any], path: str, reading: _Reading) -> None:
        mounts = container.get("volumeMounts")
        path = below(path, "volumeMounts")
        if mounts is None:
            return
        if not isinstance(mounts, list) or len(mounts) > MAX_LIST:
            self._found.unknown(path)
            return
        for index, mount in enumerate(mounts):
            place = below(path, index)
            if (
                isinstance(mount, dict)
                and isinstance(mount.get("mountPath"), str)
                and isinstance(mount.get("name"), str)
            ):
                self._read_mount(mount, place, reading)
            else:
                self._found.unknown(place)

    def _read_mount(self, mount: Mapping[str, Any], place: str, reading: _Reading) -> None:
        point, name = _folder(mount["mountPath"]), mount["name"]
        missing = _Volume("persistentVolumeClaim", name) if name in self._templates else _Volume("missing")
        volume = self._volumes.get(name, missing)
        named = [one for one in reading.local if _within(one.path, point) or _within(point, one.path)]
        usual = any(_within(point, folder) for folder in _MODEL_FOLDERS)
        # Scratch space and configuration are mounted above or beside models every day; storage that lasts is not.
        named_so = "model" in f"{name}{point}{volume.telling}".lower()
        telling = volume.kind not in {"emptyDir", *_READ_ONLY_KINDS} and (
            named_so or any(_within(folder, point) for folder in _MODEL_FOLDERS)
        )
        if not (named or usual or telling or volume.kind == "image"):
            return
        if volume.kind == "emptyDir" and self._scratch(name, reading, named=bool(named), telling=usual or named_so):
            return
        fills = reading.filler and volume.kind == "emptyDir"
        if not (mount.get("readOnly") is True or volume.read_only or fills):
            self._found.writable_mount(place)
        if volume.kind == "persistentVolumeClaim":
            self._claim(volume, mount, place, point, named)
        elif volume.kind == "emptyDir":
            if not reading.filler and (not self._filled or name in self._opaque):
                self._found.unknown(place)
        elif volume.kind != "image":
            self._found.unknown(place)

    def _scratch(self, name: str, reading: _Reading, *, named: bool, telling: bool) -> bool:
        """Tell whether an emptyDir is a cache: its container names a model, and not one that it expects in there."""
        if reading.filler:
            if telling and not reading.shows:
                self._opaque.add(name)
            return False
        return reading.shows and not named and not self._filled and name not in self._opaque

    def _claim(self, volume: _Volume, mount: Mapping[str, Any], place: str, point: str, named: list[LocalPath]) -> None:
        """Note the model on a claim: the named folder of it where an argument names one, else what is mounted."""
        sub = mount.get("subPath", "")
        if not isinstance(sub, str) or "subPathExpr" in mount:
            self._found.unknown(place)
            return
        base = "/".join(part for part in (volume.claim, sub.strip("/")) if part)
        inside = [one for one in named if _within(one.path, point)]
        for one in inside:
            rest = _folder(one.path)[len(point) :].strip("/")
            self._found.model(f"pvc://{base}" + (f"/{rest}" if rest else ""), one.place, one.role)
        if not inside:
            self._found.model(f"pvc://{base}", place, self._role)


def _texts(source: Any) -> str:
    """Return the texts of a volume source, two levels deep: a CSI driver's bucket, a path on NFS or on the node."""
    outer = source.values() if isinstance(source, dict) else ()
    inner = [one for value in outer if isinstance(value, dict) for one in value.values()]
    return " ".join(one[:MAX_TEXT] for one in [*outer, *inner][:MAX_LIST] if isinstance(one, str)).lower()


def _folder(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})


def _within(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` or lies below it. A path with `..` may lie anywhere."""
    path, folder = _folder(path), _folder(folder)
    if ".." in path.split("/"):
        return True
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def claim_templates(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of a StatefulSet's claim templates: they are volumes that the PodSpec does not list."""
    spec = document.get("spec")
    templates = spec.get("volumeClaimTemplates") if isinstance(spec, dict) else None
    names = []
    for template in templates if isinstance(templates, list) else ():
        metadata = template.get("metadata") if isinstance(template, dict) else None
        names.append(metadata.get("name") if isinstance(metadata, dict) else None)
    return frozenset(name for name in names if isinstance(name, str))
