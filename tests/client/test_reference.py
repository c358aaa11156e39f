"""docs/cli.md has each command with its options."""

from tests.support import cli_reference


def test_the_table_of_commands_is_true() -> None:
    text = cli_reference.DOCUMENT.read_text()
    assert cli_reference.renewed(text) == text, "the commands have changed: python -m tests.support.cli_reference"
