"""Facts about language models and what is built around them: prompts, guardrails, tools, retrieval and attacks."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.fact_types import Digest, Group, Word, Words


class ModelLanguage(Group):
    """What of a language system there is about the model. What is false here lifts the rule about it.

    So it comes from who can see the system, such as the gateway or the files, and is `verified` where these were hashed
    or a signed description was checked.
    """

    prompted: bool
    """True when it answers to prompts: a language model, or any other that follows instructions."""
    tools: bool
    """True when its output can call tools."""
    retrieval: bool
    """True when documents are looked up for it and put into its context."""


class ModelGuardrails(Group):
    """The system prompt and the guardrails in force."""

    prompt: Digest
    """The digest of the system prompt in force."""
    reviewed: Digest
    """The digest of the system prompt that was reviewed."""
    kinds: Words
    """What the guardrails keep off: kinds such as `prompt-injection`."""
    unpinned: Words
    """Guardrails in force that can change without changing their name: no version or digest is fixed."""


class ModelTools(Group):
    """The tools that the model can call, and how freely."""

    granted: Words
    """Tools that its credential, or the gateway in front of them, lets it call."""
    autonomy: Annotated[int, Field(ge=0, le=3)]
    """What it may do on its own: 0 nothing, a person makes each call; 1 calls that a person confirms; 2 calls that can
    be undone; 3 every call."""


class ModelRetrieval(Group):
    """The index from which documents are looked up."""

    index: Digest
    """The digest of the index in use."""
    reviewed: Digest
    """The digest of the index whose sources were reviewed."""
    licences: Words
    """Under which terms its sources were got: SPDX identifiers, and `internal` for what is one's own."""
    tenancy: Word
    """Who sees whose documents: `single` (one tenant has it alone), `partitioned` (an index for each), `filtered`
    (each query sees what the asking user may see), or `shared`."""


class ModelRedTeam(Group):
    """The last attack by people or tools who tried to break it; `verified` once the attestation was checked."""

    classes: Words
    """Kinds of attacks that were tried, such as `jailbreak`."""
    unresolved: Annotated[int, Field(ge=0)]
    """Attacks that succeeded and have not been mended."""
