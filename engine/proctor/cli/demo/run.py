"""The demo from its first line to its last: sets up, tells the story, clears up."""

from proctor.cli import exits
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.scenes import Scenes
from proctor.cli.demo.server import Server, playground, undisturbed
from proctor.cli.demo.tampering import tampering

_NEXT = (
    "proctor serve                        a server of your own",
    "proctor check deployment -f k8s/     your manifests, before they are applied",
    "proctor policy list                  the rules, and how bad each failure is",
    "proctor policy new deployment NAME   a rule of your own, with its test",
    "proctor doctor                       is this machine ready?",
)


def run() -> int:
    """Run the demo; return 0 if all came out as it should, 1 if not, 130 if it was interrupted."""
    narrator = Narrator()
    narrator.say(
        "Proctor decides whether AI may go ahead. This runs a real server, a real OPA and a real ledger in a "
        "throw-away folder; nothing stays behind. Ctrl-C ends it at any time."
    )
    with playground() as folder:
        server = Server(folder, narrator, {"server": {"port": 0, "operations_port": 0}})
        try:
            _story(server, narrator)
        except KeyboardInterrupt:
            narrator.say("interrupted: clearing up", style="bold")
            return exits.INTERRUPTED
        finally:
            with undisturbed():
                server.stop()
    return _end(narrator)


def _story(server: Server, narrator: Narrator) -> None:
    narrator.chapter("A server, three people, two versions of a model")
    server.start()
    scenes = Scenes(server, narrator)
    scenes.people_and_models()
    scenes.refusals()
    scenes.allowed()
    scenes.waiver()
    scenes.engine_killed()
    narrator.chapter("The ledger", "Every decision, waiver and registration above is an entry. The server stops, then:")
    server.stop()
    tampering(server, narrator)


def _end(narrator: Narrator) -> int:
    if narrator.surprises:
        narrator.chapter(f"{len(narrator.surprises)} things did not come out as they should")
        narrator.list(narrator.surprises)
        return exits.DENY
    narrator.chapter(f"Done in {narrator.elapsed():.0f} s; nothing is left running. What to try next:")
    narrator.list(_NEXT)
    return exits.ALLOW
