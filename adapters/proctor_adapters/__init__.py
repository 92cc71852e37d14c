"""Adapters: each translates one foreign system into requests, and decisions into that system's own replies."""
