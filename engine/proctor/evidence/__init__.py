"""Gathers facts for a subject: identifies the items, stamps what the caller stated, asks the providers, projects."""
