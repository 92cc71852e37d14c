"""What the name of a variable, a flag or a key says about its value. Pure; all names are in normal form.

Normal form is `configuration.plain`: `--model-uri`, `MODEL_URI` and `modelUri` are one name. A *source* names where a
model comes from, a *label* says something about one, an *output* names where something is written to.
"""

import re
from typing import Final

_SOURCE_ENDINGS: Final = (
    "modeluri", "modelurl", "modeluris", "modelurls", "modelid", "modelpath", "modelspath", "modeldir", "modelsdir",
    "modelrepository", "modelstore", "modelbasepath", "storageuri", "storageuris", "modelnameorpath", "modelsource",
    "modellocation", "hfrepo", "hfrepoid", "hfrepodraft", "hfmodelid", "modeldraft", "weightsuri", "weightsurl",
)  # fmt: skip
_SOURCES: Final = frozenset(
    {"model", "models", "hfmodel", "pretrainedmodel", "loramodules", "loraadapters",
     "speculativemodel", "draftmodel", "modelcheckpoint", "modelweights", "peftadapterid",
     "adapteruri", "llamaargmodel"}
)  # fmt: skip
_LABEL_ENDINGS: Final = (
    "name", "names", "version", "type", "format", "class", "host", "port", "timeout", "workers", "threads", "len",
    "length", "size", "device", "dtype", "mode", "level", "count", "enabled", "interval", "revision", "impl",
    "implementation", "parallelism", "alias", "task", "quantization", "protocol", "platform",
)  # fmt: skip
_OUTPUT: Final = re.compile(r"output|dest|artifact|upload|export|save|backup|sink|result|trackinguri|logdir")
_LINE_ENDINGS: Final = ("args", "flags", "opts", "options", "cmd", "command", "commandline")
ADAPTERS: Final = frozenset({"loramodules", "loraadapters", "peftadapterid", "adapteruri"})
REVISIONS: Final = frozenset({"revision", "modelrevision", "hfrevision", "hfmodelrevision"})
MANY: Final = frozenset({"models", "loramodules", "loraadapters"})
"""Flags that take several values."""
_SHORT: Final = frozenset({"hf", "hfr", "mu"})
"""llama.cpp's flags. As the name of anything else these letters mean nothing."""
_FOLDERS: Final = ("models", "modelfolder", "modelsfolder", "modelfile")
_IN_IMAGE: Final = ("path", "dir", "store", "repository")


def modelish(normal: str, *, flag: bool = False) -> bool:
    """Tell whether a name has anything to do with a model. `flag`: the name was given with dashes."""
    return "model" in normal or source(normal, flag=flag)


def source(normal: str, *, flag: bool = False) -> bool:
    """Tell whether the value is where a model comes from."""
    return normal in _SOURCES or normal.endswith(_SOURCE_ENDINGS) or (flag and normal in _SHORT)


def label(normal: str) -> bool:
    """Tell whether the value, if it is bare, only says something about a model."""
    return normal.startswith("max") or normal.endswith(_LABEL_ENDINGS)


def output(normal: str) -> bool:
    """Tell whether the value is where something is written to: a bucket named `models` is then no model."""
    return _OUTPUT.search(normal) is not None


def named(normal: str) -> bool:
    """Tell whether a value in the form `ORG/REPO` is a model of Hugging Face's hub: `MODEL_NAME`, `EMBEDDING_MODEL`."""
    return normal.endswith(("modelname", "model"))


def folder(normal: str) -> bool:
    """Tell whether the value, if it is a path, is where models lie, such as `OLLAMA_MODELS`."""
    return normal.endswith(_FOLDERS)


def command_line(normal: str) -> bool:
    """Tell whether the value is a piece of a command line, such as KServe's `VLLM_ADDITIONAL_ARGS`."""
    return normal.endswith(_LINE_ENDINGS)


def file(normal: str) -> bool:
    """Tell whether the value is a file with further settings."""
    return normal.endswith(("config", "configfile", "configpath"))


def in_image(normal: str) -> bool:
    """Tell whether a bare relative value is a folder of the image, which is judged as an image."""
    return normal.endswith(_IN_IMAGE)
