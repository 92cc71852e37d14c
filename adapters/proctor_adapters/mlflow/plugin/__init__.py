"""What runs inside MLflow's own process. It imports MLflow, httpx and the vocabulary; nothing else of the engine.

Settings, all from the environment of MLflow's server: `PROCTOR_URL` or `PROCTOR_SOCKET`, `PROCTOR_API_KEY` (a key with
the role `gate`), `PROCTOR_MLFLOW_AUTH` (`basic-auth`, the default, or `none`), `PROCTOR_REVERIFY_SECONDS` (300).
"""
