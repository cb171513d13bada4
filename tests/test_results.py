import csv
import multiprocessing

import pandas as pd
import pytest

from mimii.errors import UserError
from mimii.results import ResultsTable, save_csv

COLUMNS = ["model", "snr", "machine_id", "auc", "run_id"]


def row(number=0, **changes):
    return {"model": "ae", "snr": "", "machine_id": "id_00", "auc": 0.5, "run_id": f"run{number}", **changes}


def append_rows(path, worker, count):
    table = ResultsTable(path, COLUMNS)
    for number in range(count):
        table.append([row(f"{worker}-{number}")])


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "table.csv"


def test_rows_are_appended_below_one_header(path):
    ResultsTable(path, COLUMNS).append([row(0), row(1)])
    ResultsTable(path, COLUMNS).append([row(2)])
    lines = read(path)
    assert lines[0] == COLUMNS
    assert [line[-1] for line in lines[1:]] == ["run0", "run1", "run2"]
    assert [item.suffix for item in path.parent.iterdir() if not item.name.startswith(".")] == [".csv"]


def test_rows_are_found_again_with_texts_as_texts(path):
    table = ResultsTable(path, COLUMNS)
    table.append([row(run_id="0123456789012345", snr="6dB"), row(run_id="12e4567890123456")])
    assert table.run_ids() == {"0123456789012345", "12e4567890123456"}
    assert list(table.read()["snr"]) == ["6dB", ""]
    assert list(table.read()["auc"]) == [0.5, 0.5]


def test_a_table_without_rows_has_no_runs(path):
    assert ResultsTable(path, COLUMNS).run_ids() == set()
    assert not path.exists()


def test_an_empty_file_gets_a_header(path):
    path.parent.mkdir()
    path.touch()
    ResultsTable(path, COLUMNS).append([row()])
    assert read(path)[0] == COLUMNS
    assert len(read(path)) == 2


def test_a_machine_of_any_name_comes_back(path):
    table = ResultsTable(path, COLUMNS)
    names = ['id,00 "x"', "Gebläse", "NA", "007"]
    table.append([row(number, machine_id=name) for number, name in enumerate(names)])
    assert [line[2] for line in read(path)[1:]] == names
    assert list(table.read()["machine_id"]) == names


def test_numbers_lose_no_digit(path):
    table = ResultsTable(path, COLUMNS)
    table.append([row(auc=1 / 3)])
    assert table.read()["auc"][0] == 1 / 3


def test_a_file_with_other_columns_is_left_alone_and_the_new_one_named(path, log_lines):
    path.parent.mkdir()
    path.write_text("model,auc\nae,0.5\n")
    table = ResultsTable(path, COLUMNS)
    table.append([row()])
    assert path.read_text() == "model,auc\nae,0.5\n"
    assert table.path != path
    assert table.path.parent == path.parent
    assert read(table.path)[0] == COLUMNS
    assert [line for line in log_lines if line.startswith("WARNING") and table.path.name in line]


def test_the_other_file_is_used_again_by_the_next_command(path):
    path.parent.mkdir()
    path.write_text("model,auc\nae,0.5\n")
    first = ResultsTable(path, COLUMNS)
    first.append([row(0)])
    second = ResultsTable(path, COLUMNS)
    assert second.path == first.path
    assert second.run_ids() == {"run0"}


def test_columns_in_another_order_are_other_columns(path):
    ResultsTable(path, COLUMNS[::-1]).append([row()])
    assert ResultsTable(path, COLUMNS).path != path


def test_a_last_line_without_its_end_is_not_torn(path):
    ResultsTable(path, COLUMNS).append([row(0)])
    path.write_bytes(path.read_bytes().rstrip(b"\r\n"))
    ResultsTable(path, COLUMNS).append([row(1)])
    assert [line[-1] for line in read(path)] == ["run_id", "run0", "run1"]


def test_a_header_alone_without_its_end_is_not_torn(path):
    path.parent.mkdir()
    path.write_text(",".join(COLUMNS))
    ResultsTable(path, COLUMNS).append([row(0)])
    assert [line[-1] for line in read(path)] == ["run_id", "run0"]


def test_processes_that_append_at_once_lose_no_row(path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_rows, args=(path, worker, 12)) for worker in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    lines = read(path)
    assert lines[0] == COLUMNS
    assert {len(line) for line in lines} == {len(COLUMNS)}
    assert sorted(line[-1] for line in lines[1:]) == sorted(
        f"run{worker}-{n}" for worker in range(4) for n in range(12)
    )


def test_a_row_with_an_unknown_column_leaves_the_file_as_it_was(path):
    table = ResultsTable(path, COLUMNS)
    table.append([row(0)])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="surprise"):
        table.append([row(1), row(2, surprise=1)])
    assert path.read_bytes() == before


def test_a_table_below_a_file_can_not_be_written_and_says_so(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "table.csv"

    def write():
        ResultsTable(path, COLUMNS).append([row()])

    with pytest.raises(UserError, match=r"table\.csv|file"):
        write()


def test_a_directory_in_the_place_of_the_table_is_named(path):
    path.mkdir(parents=True)

    def write():
        ResultsTable(path, COLUMNS).append([row()])

    with pytest.raises(UserError, match=r"table\.csv"):
        write()


@pytest.mark.parametrize("content", [b"caf\xe9,auc\n1,2\n", ",".join(COLUMNS).encode() + b"\n1,2\n1,2,3,4,5,6,7\n"])
def test_a_table_that_can_not_be_read_is_named(content, path):
    path.parent.mkdir()
    path.write_bytes(content)

    def use():
        table = ResultsTable(path, COLUMNS)
        if table.path == path:
            table.run_ids()

    try:
        use()
    except UserError as error:
        assert path.name in str(error)  # noqa: PT017
    assert path.read_bytes() == content


def test_a_saved_table_is_plain_csv(tmp_path):
    path = tmp_path / "scores" / "a.csv"
    save_csv(path, pd.DataFrame({"path": ["ä.wav"], "score": [1 / 3]}))
    assert path.read_text(encoding="utf-8").splitlines() == ["path,score", f"ä.wav,{1 / 3!r}"]
    assert [item.name for item in path.parent.iterdir()] == ["a.csv"]
