import argparse

from latentedit.cli.printing import announce, table


def test_escape_codes_do_not_reach_the_terminal(capsys):
    announce(argparse.Namespace(json=False, quiet=False), {}, ["name \x1b[2J", "and\x07"])
    assert capsys.readouterr().out == "name ?[2J\nand?\n"


def test_columns_are_aligned():
    assert table(["face", "score"], [["a", "1"], ["long name", "10.5"]]) == [
        "face       score",
        "a              1",
        "long name   10.5",
    ]
