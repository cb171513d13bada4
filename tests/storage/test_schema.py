from pathlib import Path

import pandas as pd
import pytest
from support import ROOT

from mimii.storage import challenge_columns, schema


def test_the_page_of_columns_is_that_of_the_schema():
    text = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    begin, _, rest = text.partition("<!-- columns -->")
    table, _, end = rest.partition("<!-- /columns -->")
    assert begin
    assert end
    assert table.strip() == schema.markdown(), "docs/columns.md is old: put schema.markdown() between its markers"


def test_each_column_is_there_once_and_is_in_a_table():
    names = [column.name for column in schema.COLUMNS]
    assert len(set(names)) == len(names)
    for column in schema.COLUMNS:
        assert column.tables
        assert column.meaning
        assert column.heading
    assert {column.group for column in schema.COLUMNS} == {"subject", "quality", "decision", "cost", "setting", "fact"}


def test_texts_are_kept_as_they_stand_and_numbers_are_numbers():
    texts = ["NA", "null", "nan", "None", "001", "", "all", "1e5"]
    table = pd.DataFrame({"machine_id": texts, "auc": ["0.5", "", "1", "0", "", "1e-3", "0.25", "2"], "mine": texts})
    converted = schema.convert(table, strict=True)
    assert converted["machine_id"].tolist() == texts
    assert converted["mine"].tolist() == texts
    assert converted["auc"].fillna(-1).tolist() == [0.5, -1, 1, 0, -1, 1e-3, 0.25, 2]


def test_a_number_that_is_none_is_an_error_or_nothing():
    table = pd.DataFrame({"auc": ["0.5", "half"]})
    with pytest.raises(ValueError, match="a value of auc is no number"):
        schema.convert(table, strict=True)
    assert schema.convert(table, strict=False)["auc"].isna().tolist() == [False, True]


def test_numbers_have_the_decimals_of_their_column():
    assert schema.show("auc", 0.12345) == "0.123"
    assert schema.show("num_parameters", 42440.0) == "42,440"
    assert schema.show("training_time_sec", float("nan")) == schema.DASH
    assert schema.number(-0.5) == f"{schema.MINUS}0.500"


def test_headings_stand_in_the_schema_alone():
    """No other module has a list of columns: each heading is a text of one file."""
    sources = [path for path in Path(schema.__file__).parents[1].rglob("*.py") if path.name != "schema.py"]
    for heading in ("Balanced accuracy", "GPU memory [MB]", "Latency [ms]"):
        assert [path.name for path in sources if f'"{heading}"' in path.read_text(encoding="utf-8")] == []


def test_the_page_of_columns_names_those_of_official_scores():
    text = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    _, _, text = text.partition("## Official scores of DCASE")
    own = [column.name for column in (*challenge_columns.SCORES, *challenge_columns.MACHINES)]
    own = [name for name in own if name not in challenge_columns.SYSTEM and "_source" not in name]
    missing = [name for name in own if "_target" not in name and f"`{name}`" not in text]
    assert not missing
