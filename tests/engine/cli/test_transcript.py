from tests.engine.cli.transcript import Command, Names, agrees, commands, files

PAGE = """
<!-- file: a.yaml -->
```yaml
kind: A
```

<!-- example -->

```console
$ proctor one \\
    --more
first
...
last
(exit code 1)
$ proctor two
```

```console
$ not an example
```
"""
FIRST, SECOND = "wvr_0123456789abcdef", "wvr_fedcba9876543210"


def test_a_page_is_read() -> None:
    assert files(PAGE) == {"a.yaml": "kind: A\n"}
    assert list(commands(PAGE)) == [
        Command("proctor one --more", ("first", "...", "last"), 1),
        Command("proctor two", (), 0),
    ]


def test_dots_stand_for_any_lines_and_nothing_else_does() -> None:
    assert agrees(("a", "...", "b"), ["a", "b"], Names())
    assert agrees(("a", "...", "b"), ["a", "x", "b", "y", "b"], Names())
    assert not agrees(("a", "...", "b"), ["a", "x"], Names())
    assert not agrees(("a",), ["a", "b"], Names())
    assert not agrees(("a", "b"), ["a"], Names())
    assert not agrees((), ["a"], Names())


def test_ids_may_differ_and_are_remembered() -> None:
    names = Names()
    assert agrees((f"made {FIRST}",), [f"made {SECOND}"], names)
    assert names.command(f"sign {FIRST}") == f"sign {SECOND}"
    assert agrees((f"by {FIRST}: ...",), [f"by {SECOND}: and so on"], names)
    assert not agrees((f"by {FIRST}: ...",), [f"by {SECOND}, and so on"], names)
    assert not agrees(("made wvr_1",), [f"made {SECOND}"], names)
