import json

import pytest

from latentedit.reporting import write_run


def test_run_json_says_versions_and_facts(tmp_path):
    write_run(tmp_path, seeds=[1])
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["seeds"] == [1]
    assert run["versions"].keys() == {"latentedit", "torch", "numpy"}


def test_a_number_that_json_has_not_is_no_result(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_run(tmp_path, score=float("nan"))
