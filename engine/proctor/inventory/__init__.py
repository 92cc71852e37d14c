"""What Proctor knows to exist: registered model versions with their digests, and what was last deployed."""
