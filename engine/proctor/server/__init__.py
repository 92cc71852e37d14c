"""The service: FastAPI app factory, routes, authentication, operations listener, start and stop."""
