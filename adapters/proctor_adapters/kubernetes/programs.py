"""What text and well-known programs reveal of the models they load: URIs in scripts, downloads, calls in inline Python.

Here a value is judged by what it is, not by its name. Two strengths: some forms mean a model wherever they stand
(`models:/`, `hf://`); a place in an object store means one where the URI itself, or the folder it is copied to, says
so. `aws s3 cp` of a backup stays a backup.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_END: Final = r"[^\s\"'`;,|&<>()\[\]{}\\]+"
MODEL_URI: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:models|runs|mlflow-artifacts):/|hf://(?!datasets/|spaces/)|oci\+(?:native|fetch)://){_END}"
)
"""Forms that mean a model wherever they stand, even inside a script. `hf://datasets/` is huggingface_hub's form of a
dataset; `oci://` alone is no such form, because Helm charts have it too."""
_STORE: Final = re.compile(rf"(?<![A-Za-z0-9])(?:s3|s3a|gs|gcs|abfss?|wasbs?|azure|hdfs|webhdfs|dbfs)://?{_END}")
_WEB: Final = re.compile(rf"(?<![A-Za-z0-9])https?://{_END}")
_HUB: Final = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?!datasets/|spaces/|api/|docs/)([^?#]+)")
_WEIGHTS: Final = re.compile(
    r"\.(?:gguf|ggml|safetensors|onnx|pt|pth|ckpt|pkl|joblib|mar|h5|keras|pmml|tflite|nemo|mlmodel|bst|engine|plan)"
    r"(?:[?#].*)?$",
    re.IGNORECASE,
)
_CALL: Final = re.compile(
    r"\b(?:from_pretrained|snapshot_download|hf_hub_download|load_model|SentenceTransformer|CrossEncoder)\s*\("
    r"((?:[^()]|\([^()]*\)){0,400})"
)
_KEYWORD: Final = re.compile(
    r"\b(?:repo_id|model_id|model_uri|pretrained_model_name_or_path|model_name_or_path|path|filepath)\s*=\s*"
    r"[\"']([^\"']+)[\"']"
)
_PIPELINE: Final = re.compile(r"\b(?:pipeline|LLM|AsyncEngineArgs|EngineArgs)\s*\([^()]*?\bmodel\s*=\s*([^,()]+)")
_LITERAL: Final = re.compile(r"\s*[rbuf]?[\"']([^\"']+)[\"']")
SERVERS: Final = re.compile(
    r"vllm|sglang|lmdeploy|text-generation-inference|text-embeddings-inference|tritonserver|torchserve|mlserver|"
    r"tensorflow/serving|tensorflow_model_server|huggingfaceserver|sklearnserver|xgbserver|llama-server|llama\.cpp|"
    r"ollama|mlflow|openvino/model_server",
    re.IGNORECASE,
)
"""Images and programs that exist to serve models."""
_DASH_M: Final = re.compile(r"mlflow|llama|koboldcpp|whisper", re.IGNORECASE)
CONTROL: Final = re.compile(r"[;|&]+")
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
_SCRIPT: Final = re.compile(r"-[a-z]{0,4}c")
_PREFIXES: Final = frozenset({"sudo", "exec", "env", "nohup", "time", "then", "do", "else", "if", "while", "!"})
_TRANSFERS: Final = frozenset(
    {"aws", "gsutil", "gcloud", "s5cmd", "s4cmd", "s3cmd", "rclone", "azcopy", "az", "mc", "hdfs", "wget", "curl",
     "oras", "skopeo", "crane", "aria2c", "gdown", "dvc", "kaggle"}
)  # fmt: skip
_ONE_SIDED: Final = frozenset({"wget", "curl", "oras", "aria2c", "gdown", "dvc", "kaggle"})
"""Programs that name only what they fetch."""
_IN_REGISTRY: Final = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?/[a-z0-9]")
_WITH_VALUE: Final = frozenset(
    {"--repo-type", "--revision", "--local-dir", "--cache-dir", "--token", "--include", "--exclude", "--branch", "-b",
     "--depth", "--endpoint-url", "--region", "--profile", "--header", "-H"}
)  # fmt: skip
_INTO: Final = ("-o", "-O", "-P", "-d", "--output", "--output-document", "--directory-prefix", "--output-dir", "--dir")


def mentions(text: str, *, written: bool = False) -> Iterator[str]:
    """Yield what in `text` is a model by its own form. `written`: it names where something is written to."""
    for match in MODEL_URI.finditer(text):
        yield match[0]
    if written:
        return
    for match in _STORE.finditer(text):
        if "model" in match[0].lower() or _WEIGHTS.search(match[0]):
            yield match[0]
    for match in _WEB.finditer(text):
        if _HUB.match(match[0]) or _WEIGHTS.search(match[0]):
            yield from_hub(match[0])


def from_hub(url: str) -> str:
    """Return the `hf://` form of a page of Hugging Face's hub, else the URL itself."""
    match = _HUB.match(url)
    if match is None:
        return url
    parts = match[1].removesuffix(".git").strip("/").split("/")
    if len(parts) >= 4 and parts[2] in {"resolve", "blob", "tree", "raw"}:  # noqa: PLR2004 (ORG/REPO/resolve/REVISION)
        return f"hf://{parts[0]}/{parts[1]}@{parts[3]}"
    return "hf://" + "/".join(parts[:2])


def calls(code: str) -> Iterator[tuple[str, str]]:
    """Yield (arguments, literal) of calls of the usual loaders in inline Python; no literal is empty text."""
    for match in _CALL.finditer(code):
        keyword = _KEYWORD.search(match[1])
        literal = _LITERAL.match(match[1])
        yield match[1], keyword[1] if keyword else literal[1] if literal else ""
    for match in _PIPELINE.finditer(code):
        literal = _LITERAL.match(match[1])
        yield match[1], literal[1] if literal else ""


def short_model_flag(image: str, words: Sequence[str]) -> bool:
    """Tell whether `-m` names a model: to MLflow and llama.cpp it does, to memcached, grep and iptables it doesn't."""
    return _DASH_M.search(image) is not None or any(_DASH_M.search(word) for word in words)


def commands(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each simple command among the words of a script, without its wrappers."""
    start = 0
    for end in range(len(words) + 1):
        if end < len(words) and not CONTROL.fullmatch(words[end]):
            continue
        start = _program(words, start, end)
        if start < end:
            yield start, end
        start = end + 1


def _program(words: Sequence[str], start: int, end: int) -> int:
    """Return where the program of a simple command stands: behind `sudo`, `A=b`, and `sh -c`."""
    while start < end:
        name = words[start].rsplit("/", 1)[-1]
        if name in _SHELLS:
            script = next((index for index in range(start + 1, end) if _SCRIPT.fullmatch(words[index])), None)
            if script is None:
                break
            start = script + 1
        elif name in _PREFIXES or re.match(r"[A-Za-z_]\w*=", words[start]):
            start += 1
        else:
            break
    return start


def fetched(words: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    """Yield (index, value, certain) of what one simple command downloads.

    `certain`: the command fetches models and nothing else; otherwise the value is one where its URI or the folder it
    goes to says so.
    """
    program = words[0].rsplit("/", 1)[-1]
    plain = [index for index in range(1, len(words)) if words[index][:1] != "-" and words[index - 1] not in _WITH_VALUE]
    if program in {"huggingface-cli", "hf"}:
        kind = _option(words, "--repo-type")
        if len(plain) > 1 and words[plain[0]] == "download" and kind not in {"dataset", "space"}:
            yield plain[1], words[plain[1]], True
    elif program == "ollama":
        if len(plain) > 1 and words[plain[0]] in {"run", "pull"}:
            yield plain[1], f"ollama://{words[plain[1]]}", True
    elif program == "git":
        for index in plain:
            if _HUB.match(words[index]):
                yield index, from_hub(words[index]), True
    elif program in _TRANSFERS:
        for index in plain if program in _ONE_SIDED else plain[:-1]:
            registry = program == "oras" and _IN_REGISTRY.match(words[index])
            yield index, f"oci://{words[index]}" if registry else words[index], False


def destination(words: Sequence[str]) -> str:
    """Return where a simple command puts what it fetches, as far as its words say."""
    program = words[0].rsplit("/", 1)[-1]
    if program not in _ONE_SIDED:
        last = words[-1]
        return "" if last.startswith("-") or "://" in last else last
    named = [_option(words, name) for name in _INTO]
    glued = [word[2:] for word in words if re.match(r"-[oOP].", word) and not word.startswith("--")]
    return " ".join(one for one in [*named, *glued] if one)


def _option(words: Sequence[str], name: str) -> str:
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""
