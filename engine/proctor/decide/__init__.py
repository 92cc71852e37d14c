"""The one path from request to decision. Nothing else decides."""
