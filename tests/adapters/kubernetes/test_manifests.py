"""Manifests as people write them: ordinary workloads are judged on their images alone, serving ones on every model.

Written after the habits of well-known charts and of KServe's samples and runtimes; each case was once read wrongly, or
guards a neighbour of one that was.
"""

from typing import Any

import pytest
import yaml

from proctor_adapters.kubernetes.extract import extract
from proctor_adapters.kubernetes.findings import Found
from proctor_adapters.kubernetes.models import GroupKind


def read(document: dict[str, Any]) -> Found:
    group, slash, _ = document["apiVersion"].partition("/")
    return extract(document, GroupKind(group if slash else "", document["kind"]), "ml-prod")


def pod(spec: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": yaml.safe_load(spec)}


ORDINARY = {
    "memcached": """
        containers:
          - {name: m, image: "docker.io/library/memcached:1.6", args: ["-m", "64", "-o", "modern", "-v", "-I", 4m]}
        """,
    "istio-init": """
        initContainers:
          - name: istio-init
            image: docker.io/istio/proxyv2:1.24.0
            args: [istio-iptables, -p, "15001", -z, "15006", -u, "1337", -m, REDIRECT, -i, "*", -x, "", -b, "*"]
        containers: [{name: app, image: "registry.example.org/app:1"}]
        """,
    "iptables": """
        containers:
          - name: c
            image: registry.example.org/net:1
            command: [sh, -c]
            args: ["iptables -A INPUT -m state --state NEW -j DROP && mkdir -m 755 /run/x; install -m 0644 a b"]
        """,
    "python modules": """
        containers:
          - {name: a, image: "docker.io/library/python:3.12", command: [python, -m, http.server, "8000"]}
          - {name: b, image: "docker.io/library/python:3.12", command: [python3.12, -m, gunicorn, "app:app", -w, "4"]}
          - {name: c, image: "docker.io/library/python:3.12", args: [pytest, -m, not slow]}
        """,
    "redis": """
        containers:
          - name: redis
            image: docker.io/bitnami/redis:7.4
            command: ["/bin/bash"]
            args: ["-c", "/opt/bitnami/scripts/start-scripts/start-master.sh"]
            env:
              - {name: BITNAMI_DEBUG, value: "false"}
              - {name: REDIS_REPLICATION_MODE, value: master}
              - {name: REDIS_PASSWORD, valueFrom: {secretKeyRef: {name: redis, key: redis-password}}}
            volumeMounts: [{name: data, mountPath: /data}, {name: start-scripts, mountPath: /opt/bitnami/scripts}]
        volumes:
          - {name: data, persistentVolumeClaim: {claimName: redis-data}}
          - {name: start-scripts, configMap: {name: redis-scripts, defaultMode: 493}}
        """,
    "postgres backup": """
        restartPolicy: Never
        containers:
          - name: backup
            image: registry.example.org/pg-backup:16
            command: [sh, -c]
            args:
              - |
                set -eu
                pg_dump "$DATABASE_URL" | gzip > /tmp/dump.gz
                aws s3 cp /tmp/dump.gz s3://company-backups/postgres/$(date +%F).gz --no-progress
                curl -fsS -m 10 --retry 5 -o /dev/null https://hc-ping.example.org/abc
            envFrom: [{secretRef: {name: pg-backup}}]
        """,
    "dbt": """
        containers:
          - {name: dbt, image: "registry.example.org/dbt:1.9", command: [dbt, run, --select, "tag:daily"]}
        """,
    "node exporter": """
        hostNetwork: true
        containers:
          - name: node-exporter
            image: quay.io/prometheus/node-exporter:v1.9.0
            args: ["--path.procfs=/host/proc", "--path.rootfs=/host/root",
                   "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|var/lib/docker/.+)($|/)"]
            volumeMounts: [{name: proc, mountPath: /host/proc, readOnly: true}, {name: root, mountPath: /host/root}]
        volumes: [{name: proc, hostPath: {path: /proc}}, {name: root, hostPath: {path: /}}]
        """,
    "mlflow tracking server": """
        containers:
          - name: mlflow
            image: ghcr.io/mlflow/mlflow:v3.5.0
            command: [mlflow, server]
            args: ["--host=0.0.0.0", "--backend-store-uri=postgresql://db/mlflow", "--artifacts-destination",
                   "s3://company-models/mlflow", "--serve-artifacts"]
            env: [{name: MLFLOW_S3_ENDPOINT_URL, value: "https://s3.example.org"}]
        """,
    "training that writes a model": """
        restartPolicy: Never
        containers:
          - name: train
            image: registry.example.org/train@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            command: [python, train.py, --data, "s3://datasets/fraud/2026", --output-dir, "s3://models/fraud/candidates"]
            env:
              - {name: MLFLOW_TRACKING_URI, value: "https://mlflow.example.org"}
              - {name: AIP_OUTPUT_URI, value: "s3://models/out"}
        """,
    "upload": """
        containers:
          - {name: c, image: "docker.io/amazon/aws-cli:2", args: [s3, cp, /out/report.csv, "s3://reports/x.csv"]}
          - {name: d, image: "docker.io/amazon/aws-cli:2", command: [sh, -c, "aws s3 sync /models s3://archive/x"]}
        """,
    "vector store client": """
        containers:
          - name: c
            image: registry.example.org/search:1
            env:
              - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
              - {name: MU, value: "abc"}
              - {name: HF, value: org/x}
              - {name: FEATURES, value: '{"new-checkout": true, "limit": 5}'}
              - {name: JAVA_OPTS, value: "-Xmx512m -XX:+UseG1GC -Dspring.profiles.active=prod"}
              - {name: DATABASE_URL, value: "postgresql://$(USER)@db/app"}
              - {name: HELP_URL, value: "https://docs.example.org/models/how-to"}
            envFrom: [{configMapRef: {name: search-env}}, {secretRef: {name: search}}]
        """,
    "git-sync": """
        initContainers:
          - name: clone
            image: docker.io/alpine/git:2.47
            args: [clone, --depth, "1", "https://github.com/example/dags.git", /dags]
        containers: [{name: c, image: "docker.io/apache/airflow:2.10.5", args: [bash, -c, "exec airflow scheduler"]}]
        """,
    "stream processor": """
        containers:
          - name: c
            image: docker.io/library/flink:1.20
            env: [{name: CHECKPOINT_PATH, value: "s3://streams/checkpoints"}]
        """,
    "model in the image": """
        containers:
          - {name: a, image: "ghcr.io/mlflow/mlflow:v3.5.0", command: [mlflow, models, serve, -m, models/risk_router]}
          - {name: b, image: "docker.io/ollama/ollama:0.13", env: [{name: OLLAMA_MODELS, value: /opt/models}]}
        """,
    "hub datasets": """
        containers:
          - name: c
            image: docker.io/library/python:3.12
            command: [sh, -c, "hf download --repo-type dataset org/data && echo hf://datasets/org/data"]
        """,
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_workloads_are_judged_on_their_images_alone(name: str) -> None:
    found = read(pod(ORDINARY[name]))
    assert found.governed
    assert found.images
    assert (list(found.models), found.unclassified) == ([], [])


SERVING: dict[str, tuple[str, list[str]]] = {
    "vllm image, python first": (
        """
        containers:
          - name: c
            image: docker.io/vllm/vllm-tpu:1
            args: [python3, -m, vllm.entrypoints.openai.api_server, --model, org/m]
        """,
        ["hf://org/m"],
    ),
    "served name": (
        """
        containers:
          - name: c
            image: docker.io/vllm/vllm-openai:v0.11
            args: ["--model=org/m", "--served-model-name=org/public", "--max-model-len=8192", "--model-impl", auto]
        """,
        ["hf://org/m"],
    ),
    "draft model": (
        """
        containers:
          - name: c
            image: docker.io/vllm/vllm-openai:v0.11
            args: [--model, org/m, --speculative-config, '{"model": "org/draft", "num_speculative_tokens": 5}']
        """,
        ["hf://org/m", "hf://org/draft"],
    ),
    "further arguments": (
        """
        containers:
          - name: main
            image: docker.io/vllm/vllm-openai:v0.11
            args: [--model, org/m]
            env: [{name: VLLM_ADDITIONAL_ARGS, value: "--max-num-seqs 32 --lora-modules tone=s3://adapters/tone"}]
        """,
        ["s3://adapters/tone", "hf://org/m"],
    ),
    "name that is a repository": (
        """
        containers: [{name: c, image: "registry.example.org/tei:1", env: [{name: MODEL_NAME, value: BAAI/bge-m3}]}]
        """,
        ["hf://BAAI/bge-m3"],
    ),
    "seldon": (
        """
        containers:
          - name: c
            image: docker.io/seldonio/mlflowserver:1.18
            env:
              - name: PREDICTIVE_UNIT_PARAMETERS
                value: '[{"name":"model_uri","value":"s3://m/iris","type":"STRING"}]'
        """,
        ["s3://m/iris"],
    ),
    "mlserver": (
        """
        containers:
          - name: c
            image: docker.io/seldonio/mlserver:1.6
            env:
              - {name: MLSERVER_MODEL_IMPLEMENTATION, value: mlserver_mlflow.MLflowRuntime}
              - {name: MLSERVER_MODEL_URI, value: "models:/fraud/7"}
              - {name: MLSERVER_MODEL_NAME, value: fraud}
        """,
        ["models:/fraud/7"],
    ),
    "llama.cpp": (
        """
        containers:
          - {name: a, image: "ghcr.io/ggml-org/llama.cpp:server", args: [-hf, org/q-GGUF, --port, "8080"]}
          - {name: b, image: "ghcr.io/ggml-org/llama.cpp:server", args: [-mu, "https://m.example.org/x.gguf"]}
        """,
        ["hf://org/q-GGUF", "https://m.example.org/x.gguf"],
    ),
    "ollama": (
        """
        containers:
          - name: c
            image: docker.io/ollama/ollama:0.13
            lifecycle: {}
            command: [sh, -c, "ollama serve & sleep 5; ollama pull llama3.2 && wait"]
        """,
        ["ollama://llama3.2"],
    ),
    "aws into a model folder": (
        """
        initContainers:
          - name: fetch
            image: docker.io/amazon/aws-cli:2
            command: [sh, -c, "aws s3 sync --quiet s3://bucket/fraud/7 /mnt/models"]
            volumeMounts: [{name: m, mountPath: /mnt/models}]
        containers:
          - name: c
            image: registry.example.org/s:1
            volumeMounts: [{name: m, mountPath: /mnt/models, readOnly: true}]
        volumes: [{name: m, emptyDir: {}}]
        """,
        ["s3://bucket/fraud/7"],
    ),
    "downloads": (
        """
        initContainers:
          - {name: a, image: "a:1", command: [sh, -c, "wget -q -O /models/x.bin https://files.example.org/x.bin"]}
          - {name: b, image: "a:1", command: [sh, -c, "cd /w && git clone https://huggingface.co/org/cloned"]}
          - {name: c, image: "a:1", command: [huggingface-cli, download, org/down, --revision, abc, --local-dir, /x]}
          - {name: d, image: "a:1", command: [sh, -c, "gsutil -m cp -r gs://b/model-7 /data"]}
          - {name: g, image: "a:1", command: [sh, -c, "aws s3 cp s3://b/lines /models/$NAME"]}
          - name: h
            image: a:1
            command: [sh, -c]
            args:
              - |
                cd /tmp
                aws s3 sync \\
                  s3://b/more /models
          - {name: e, image: "a:1", command: [curl, -L, "https://huggingface.co/org/r/resolve/main/w.bin", -o, /w]}
          - {name: f, image: "a:1", command: [oras, pull, "ghcr.io/org/weights:1", -o, /models]}
        containers: [{name: c, image: "registry.example.org/s:1"}]
        """,
        ["https://files.example.org/x.bin", "s3://b/lines", "s3://b/more", "hf://org/cloned", "hf://org/down@abc",
         "gs://b/model-7", "hf://org/r@main",
         "oci://ghcr.io/org/weights:1"],
    ),
    "inline python": (
        """
        containers:
          - name: a
            image: docker.io/library/python:3.12
            command: [python, -c]
            args:
              - |
                from transformers import AutoModel, pipeline
                m = AutoModel.from_pretrained("org/one")
                p = pipeline("text-generation", model="org/two")
                import mlflow; mlflow.pyfunc.load_model('models:/fraud/7')
          - name: b
            image: docker.io/library/python:3.12
            command: [python, -c, "import os; load_model(os.environ['WHICH'])"]
            env: [{name: WHICH, value: "s3://b/w"}]
        """,
        ["hf://org/one", "models:/fraud/7", "hf://org/two", "s3://b/w"],
    ),
    "download cache": (
        """
        containers:
          - name: c
            image: docker.io/vllm/vllm-openai:v0.11
            command: [sh, -c, "vllm serve $INFERENCE_MODEL --dtype float16"]
            env: [{name: INFERENCE_MODEL, value: org/m}]
            volumeMounts: [{name: cache, mountPath: /models}]
        volumes: [{name: cache, emptyDir: {}}]
        """,
        ["hf://org/m"],
    ),
    "download cache that lasts": (
        """
        containers:
          - name: c
            image: docker.io/vllm/vllm-openai:v0.11
            args: [--model, org/m]
            volumeMounts: [{name: cache, mountPath: /root/.cache/huggingface}]
        volumes: [{name: cache, persistentVolumeClaim: {claimName: vllm-models}}]
        """,
        ["hf://org/m", "pvc://ml-prod/vllm-models"],
    ),
    "ollama on a claim": (
        """
        containers:
          - {name: c, image: "docker.io/ollama/ollama:0.13", volumeMounts: [{name: v, mountPath: /root/.ollama}]}
        volumes: [{name: v, persistentVolumeClaim: {claimName: ollama}}]
        """,
        ["pvc://ml-prod/ollama"],
    ),
    "folder on a claim": (
        """
        containers:
          - name: c
            image: docker.io/ollama/ollama:0.13
            env: [{name: OLLAMA_MODELS, value: /data/weights}]
            volumeMounts: [{name: v, mountPath: /data, readOnly: true}]
        volumes: [{name: v, persistentVolumeClaim: {claimName: shared}}]
        """,
        ["pvc://ml-prod/shared/weights"],
    ),
    "argument without a name": (
        """
        containers:
          - {name: a, image: "registry.example.org/s:1", args: [serve, "s3://models/fraud/7"]}
          - {name: b, image: "registry.example.org/s:1", args: [serve, "gs://b/weights.onnx"]}
          - {name: c, image: "registry.example.org/s:1", command: [sh, -c, "exec serve hf://org/m"]}
        """,
        ["s3://models/fraud/7", "gs://b/weights.onnx", "hf://org/m"],
    ),
    "bucket behind a driver": (
        """
        containers:
          - name: a
            image: registry.example.org/s:1
            args: [--model, /data/x]
            volumeMounts: [{name: v, mountPath: /data, readOnly: true}]
        volumes: [{name: v, persistentVolumeClaim: {claimName: store}}]
        """,
        ["pvc://ml-prod/store/x"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVING)
def test_serving_workloads_show_all_their_models(name: str) -> None:
    spec, uris = SERVING[name]
    found = read(pod(spec))
    assert sorted(found.models) == sorted(uris)
    assert found.unclassified == []


UNSEEN = {
    "containers[0].args[1]": """
        containers: [{name: c, image: "a:1", args: [serve, "$(MODEL_URI)"], envFrom: [{configMapRef: {name: x}}]}]
        """,
    "containers[0].envFrom[0]": """
        containers: [{name: c, image: "registry.example.org/s:1", envFrom: [{configMapRef: {name: fraud-model}}]}]
        """,
    "containers[0].envFrom[1]": """
        containers: [{name: c, image: "registry.example.org/s:1", envFrom: [{secretRef: {name: a}}, {prefix: X_}]}]
        """,
    "containers[0].args[0]": """
        containers: [{name: c, image: "docker.io/vllm/vllm-openai:1", args: ["--config=/etc/vllm.yaml"]}]
        """,
    "initContainers[0].args[0]": """
        initContainers: [{name: i, image: "a:1", command: [sh, -c], args: ["aws s3 sync $SRC /mnt/models"]}]
        containers: [{name: c, image: "registry.example.org/s:1"}]
        """,
    "containers[0].command[2]": """
        containers: [{name: c, image: "a:1", command: [python, -c, "load_model(sys.argv[1])"]}]
        """,
    "containers[0].volumeMounts[1]": """
        initContainers: [{name: i, image: "a:1", command: [fill], volumeMounts: [{name: v, mountPath: /mnt/models}]}]
        containers:
          - name: c
            image: a:1
            args: [--model, org/m]
            volumeMounts: [{name: x, mountPath: /x}, {name: v, mountPath: /mnt/models, readOnly: true}]
        volumes: [{name: v, emptyDir: {}}, {name: x, emptyDir: {}}]
        """,
    "containers[0].volumeMounts[2]": """
        containers:
          - name: c
            image: a:1
            args: [--model, /work/m]
            volumeMounts: [{name: x, mountPath: /x}, {name: y, mountPath: /y}, {name: v, mountPath: /work}]
        volumes: [{name: v, emptyDir: {}}, {name: x, emptyDir: {}}, {name: y, emptyDir: {}}]
        """,
    "containers[0].volumeMounts[0]": """
        containers: [{name: c, image: "a:1", volumeMounts: [{name: v, mountPath: /data}]}]
        volumes: [{name: v, csi: {driver: gcsfuse.csi.storage.gke.io, volumeAttributes: {bucketName: company-models}}}]
        """,
}


@pytest.mark.parametrize("place", UNSEEN)
def test_what_may_hide_a_model_is_unclassified(place: str) -> None:
    assert f"spec.{place}" in read(pod(UNSEEN[place])).unclassified


def test_a_server_whose_environment_is_elsewhere_is_unclassified_unless_it_shows_its_model() -> None:
    hidden = "containers: [{name: c, image: 'docker.io/vllm/vllm-openai:1', envFrom: [{secretRef: {name: t}}]}]"
    assert read(pod(hidden)).unclassified == ["spec.containers[0].envFrom[0]"]
    shown = hidden.replace("envFrom", "args: [--model, org/m], envFrom")
    assert read(pod(shown)).unclassified == []


class TestKServe:
    INTERNAL = "internal.serving.kserve.io"

    def test_the_group_that_kserve_had_before(self) -> None:
        service = {"apiVersion": "serving.kubeflow.org/v1beta1", "kind": "InferenceService", "metadata": {"name": "s"}}
        assert read({**service, "spec": {"predictor": {"sklearn": {"protocolVersion": "v1"}}}}).unclassified
        found = read({**service, "spec": {"predictor": {"triton": {"storageUri": "gs://b/m"}}}})
        assert list(found.models) == ["gs://b/m"]

    def test_the_annotation_by_which_its_webhook_fetches_into_any_pod(self) -> None:
        document = pod("containers: [{name: c, image: 'a:1'}]")
        document["metadata"]["annotations"] = {f"{self.INTERNAL}/storage-initializer-sourceuri": "s3://b/hidden"}
        template = {"metadata": document["metadata"], "spec": document["spec"]}
        outer = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {"template": template},
        }
        for one in (document, outer):
            assert list(read(one).models) == ["s3://b/hidden"]
        document["metadata"]["annotations"] = {f"{self.INTERNAL}/localmodel-sourceuri": "hf://o/cached"}
        assert list(read(document).models) == ["hf://o/cached"]

    def test_a_storage_secret_is_one_item_from_the_service_down_to_the_pod(self) -> None:
        storage = {"key": "minio", "path": "fraud/7", "parameters": {"bucket": "models"}}
        service: dict[str, Any] = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
        service["spec"] = {"predictor": {"sklearn": {"storage": storage}}}
        document = pod(
            """
            initContainers:
              - name: storage-initializer
                image: docker.io/kserve/storage-initializer:v0.15.0
                args: ["<scheme-placeholder>://fraud/7", /mnt/models]
                volumeMounts: [{name: v, mountPath: /mnt/models}]
            containers: [{name: c, image: "a:1", volumeMounts: [{name: v, mountPath: /mnt/models, readOnly: true}]}]
            volumes: [{name: v, emptyDir: {}}]
            """
        )
        assert read(document).unclassified
        document["metadata"]["annotations"] = {
            f"{self.INTERNAL}/storage-initializer-sourceuri": "fraud/7",
            f"{self.INTERNAL}/storage-spec": "true",
            f"{self.INTERNAL}/storage-spec-key": "minio",
            f"{self.INTERNAL}/storage-spec-param": '{"bucket": "models"}',
        }
        assert list(read(document).models) == list(read(service).models)
        assert read(document).unclassified == []

    @pytest.mark.parametrize("parameters", ["{", "5", "[]", '{"a": 1}', "[" * 5000])
    def test_parameters_that_are_not_understood(self, parameters: str) -> None:
        document = pod("containers: [{name: c, image: 'a:1'}]")
        document["metadata"]["annotations"] = {
            f"{self.INTERNAL}/storage-initializer-sourceuri": "fraud/7",
            f"{self.INTERNAL}/storage-spec": "true",
            f"{self.INTERNAL}/storage-spec-param": parameters,
        }
        assert read(document).unclassified


@pytest.mark.parametrize("name", ["labels", "metadata", "selector", "affinity", "nodeSelector", "dataset"])
def test_a_name_that_usually_holds_no_model_hides_none(name: str) -> None:
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "spec": {name: {"storageUri": "s3://b/m"}}}
    assert list(read(thing).models) == ["s3://b/m"]
    labels = {"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"model-url": "fraud"}}}
    assert not read(labels).governed
