"""The words of the design as types: request, facts, decision, finding, waiver, approval. No I/O."""
