import csv
import multiprocessing
import subprocess

import pandas as pd
import pytest
from filelock import FileLock

from mimii.errors import StorageError, UserError
from mimii.runtime import locks
from mimii.storage import growing
from mimii.storage.growing import GrowingTable
from mimii.storage.results import ResultsTable, read_table, save_csv

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


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_gets_a_header(content, path):
    path.parent.mkdir()
    path.write_bytes(content)
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


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    "content",
    [
        b"caf\xe9,auc\n1,2\n",
        bytes(512),
        f"{HEADER}\nae,,id_00,0.5,run1\nae,,id_0".encode(),
        f"{HEADER}\n1,2,3,4,5,6,7\n".encode(),
        f'{HEADER}\nae,,"id_00,0.5,run1\n'.encode(),
        f"{HEADER}\nae,,id_00,0.x5,run1\n".encode(),
        f"{HEADER.replace(',', ';')}\nae;;id_00;0.5;run1\n".encode(),
    ],
    ids=["no text", "zeros", "torn row", "long row", "open quote", "no number", "semicolons"],
)
def test_a_damaged_table_is_left_alone_and_the_new_one_named(content, path, log_lines):
    path.parent.mkdir()
    path.write_bytes(content)
    table = ResultsTable(path, COLUMNS)
    table.append([row(0)])
    assert path.read_bytes() == content
    assert read(path.with_name("table_2.csv")) == [COLUMNS, ["ae", "", "id_00", "0.5", "run0"]]
    [line] = log_lines
    assert line.startswith("WARNING")
    assert all(name in line for name in (str(path), "table_2.csv"))


def test_a_table_that_is_damaged_while_it_is_in_use_is_left_alone(path, log_lines):
    table = ResultsTable(path, COLUMNS)
    table.append([row(0)])
    path.write_text("saved;by;a;spreadsheet\n")
    table.append([row(1)])
    assert path.read_text() == "saved;by;a;spreadsheet\n"
    assert read(table.path) == [COLUMNS, ["ae", "", "id_00", "0.5", "run1"]]
    assert len(log_lines) == 1


@pytest.fixture
def held(path):
    """The table with a row, held so that nothing can be written to it, as where another program holds it."""
    table = ResultsTable(path, COLUMNS)
    table.append([row(0)])
    mounts = [["mount", "--bind", path, path], ["mount", "-o", "remount,ro,bind", path]]
    if any(subprocess.run(mount, capture_output=True, check=False).returncode for mount in mounts):
        pytest.skip("nothing can be mounted here")
    yield table
    subprocess.run(["umount", path], check=True)


def test_rows_go_to_a_new_file_where_the_table_is_held(held, path, log_lines):
    before = path.read_bytes()
    for number in (1, 2):
        held.append([row(number)])
    assert path.read_bytes() == before
    assert [line[-1] for line in read(path.with_name("table_2.csv"))] == ["run_id", "run1", "run2"]
    [line] = log_lines
    assert all(name in line for name in ("WARNING", f"{path}:", "table_2.csv"))
    assert [item.name for item in path.parent.iterdir() if item.suffix == ".csv"] == ["table.csv", "table_2.csv"]


def test_where_no_file_can_be_written_the_error_names_the_one_that_was_asked_for(path):
    table = ResultsTable(path, COLUMNS)
    path.parent.write_text("in the way")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"table\.csv: Not a directory|table\.csv: File exists"):
            table.append([row(0)])


def test_a_run_that_has_a_row_gets_no_second_one_unless_it_was_done_again(path):
    first, second = ResultsTable(path, COLUMNS), ResultsTable(path, COLUMNS)
    first.append([row(0, auc=0.1), row(1)])
    second.append([row(0, auc=0.2)])
    second.append([row(0, auc=0.3), row(2)])
    assert [line[-2:] for line in read(path)[1:]] == [["0.1", "run0"], ["0.5", "run1"], ["0.5", "run2"]]
    second.append([row(0, auc=0.4)], again=True)
    assert read(path)[-1][-2:] == ["0.4", "run0"]
    assert len(read(path)) == 5


def test_the_last_row_of_a_run_counts_in_the_order_of_the_file(path):
    table = ResultsTable(path, COLUMNS)
    table.append([row("a", auc=1), row("b", auc=2)])
    table.append([row("a", auc=3), row("c", auc=4)], again=True)
    assert table.latest(["runa", "runb", "none", "runa"])["auc"].tolist() == [2, 3]
    assert ResultsTable(path, COLUMNS).latest(["runc", "runa"])["run_id"].tolist() == ["runa", "runc"]
    assert table.latest([]).empty


def test_what_another_process_appends_is_found_without_reading_the_rest_again(path, monkeypatch):
    table = ResultsTable(path, COLUMNS)
    table.append([row(number) for number in range(1000)])
    read_bytes = []
    records = growing._records
    monkeypatch.setattr(
        growing, "_records", lambda content, begin: read_bytes.append(content) or records(content, begin)
    )
    ResultsTable(path, COLUMNS).append([row("other", machine_id='of "two"\nlines')])
    read_bytes.clear()
    assert "runother" in table.run_ids()
    table.append([row("mine")])
    assert sum(map(len, read_bytes)) < 200
    assert table.latest(["runother", "runmine"])["machine_id"].tolist() == ['of "two"\nlines', "id_00"]
    read_bytes.clear()
    assert len(table.run_ids()) == 1002
    assert read_bytes == []


def edit(path):
    path.write_text(path.read_text().replace("run1", "runX"))


def replace_file(path):
    other = path.with_name("other.csv")
    other.write_text(path.read_text().replace("run1", "runX") + "ae,,id_00,0.5,run9\n")
    other.replace(path)


def edit_and_append(path):
    path.write_text(path.read_text().replace("run1", "runX") + "ae,,id_00,0.5,run9\n")


@pytest.mark.parametrize("change", [edit, replace_file, edit_and_append])
def test_a_table_that_somebody_edits_is_read_anew(change, path):
    table = ResultsTable(path, COLUMNS)
    table.append([row(0), row(1)])
    assert table.run_ids() == {"run0", "run1"}
    change(path)
    assert {"run0", "runX"} <= table.run_ids() <= {"run0", "runX", "run9"}
    table.append([row(1), row(2)])
    assert {"runX", "run1", "run2"} <= {line[-1] for line in read(path)}


@pytest.fixture
def indexed(path, monkeypatch):
    """A table with an index beside it, and the parts of it that are read from now on."""
    monkeypatch.setattr(growing, "_WORTH_AN_INDEX", 300)
    ResultsTable(path, COLUMNS).append([row(number) for number in range(1000)])
    ResultsTable(path, COLUMNS)
    assert growing._index(path).exists()
    contents = []
    records = growing._records
    monkeypatch.setattr(growing, "_records", lambda content, begin: contents.append(content) or records(content, begin))
    return contents


def test_a_large_table_is_not_read_again_by_the_next_command(path, indexed):
    table = ResultsTable(path, COLUMNS)
    assert table.run_ids() == {f"run{number}" for number in range(1000)}
    assert indexed == []
    table.append([row("new"), row(5)])
    assert sum(map(len, indexed)) < 200
    indexed.clear()
    assert ResultsTable(path, COLUMNS).latest(["runnew", "run7"])["run_id"].tolist() == ["run7", "runnew"]
    assert sum(map(len, indexed)) < 200
    assert len(read(path)) == 1002


@pytest.mark.parametrize("change", [edit, replace_file, edit_and_append])
def test_an_index_of_a_table_that_somebody_edited_is_not_believed(change, path, indexed):
    change(path)
    table = ResultsTable(path, COLUMNS)
    assert {"runX", "runX0"} <= table.run_ids()
    assert "run1" not in table.run_ids()
    assert sum(map(len, indexed)) > 10_000


def test_damage_below_an_index_is_found(path, indexed, log_lines):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0.5", b"0,5", 1))
    assert ResultsTable(path, COLUMNS).path == path.with_name("table_2.csv")
    assert "is damaged" in log_lines[0]


@pytest.mark.parametrize("content", [b"", b"anything", None])
def test_an_index_that_is_damaged_or_of_other_columns_is_not_believed(content, path, indexed):
    if content is None:
        ResultsTable(path.with_name("other.csv"), COLUMNS[::-1]).append([row(number) for number in range(1000)])
        growing._index(path.with_name("other.csv")).replace(growing._index(path))
    else:
        growing._index(path).write_bytes(content)
    indexed.clear()
    assert len(ResultsTable(path, COLUMNS).run_ids()) == 1000
    assert sum(map(len, indexed)) > 10_000


def test_a_table_that_is_removed_begins_anew(path):
    table = ResultsTable(path, COLUMNS)
    table.append([row(0)])
    path.unlink()
    assert table.run_ids() == set()
    table.append([row(0)])
    assert read(path) == [COLUMNS, ["ae", "", "id_00", "0.5", "run0"]]


class Killed(BaseException):
    """Nothing of the process runs any more; a test can't kill itself."""


@pytest.mark.parametrize("written", [0, 1, 30, 47, 10_000])
@pytest.mark.parametrize("count", [0, 2])
def test_rows_whose_process_is_killed_while_it_appends_them_are_completed(written, count, path, monkeypatch):
    if count:
        ResultsTable(path, COLUMNS).append([row(number) for number in range(count)])
    table = ResultsTable(path, COLUMNS)

    def killed(self, content):
        with open(self.path, "ab") as file:
            file.write(content[:written])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(GrowingTable, "_write", killed)
        patch.setattr(type(path), "unlink", lambda *_, **__: None)  # a dead process removes nothing
        with pytest.raises(Killed):
            table.append([row("a"), row("b")])
    runs = [f"run{number}" for number in range(count)] + ["runa", "runb"]
    if written:
        assert list(read_table(path)["run_id"]) == runs  # the report does not write, and sees all of it
    again = ResultsTable(path, COLUMNS)
    again.append([row("b"), row("c")])
    assert [line[-1] for line in read(path)] == ["run_id", *runs, "runc"]
    assert sorted(item.name for item in path.parent.iterdir()) == [".table.csv.lock", "table.csv"]


def test_a_journal_of_another_content_is_not_believed(path, log_lines):
    ResultsTable(path, COLUMNS).append([row(0)])
    content = path.read_bytes()
    for journal in (b"", b"no json\nae", b'{"size": 3}\nother', b'{"size": 99999}\nae,,id_00,0.5,run1\n', b"[1]\nae"):
        path.with_name(".table.csv.journal").write_bytes(journal)
        assert read_table(path)["run_id"].tolist() == ["run0"]
        assert ResultsTable(path, COLUMNS).run_ids() == {"run0"}
        assert path.read_bytes() == content
    assert log_lines == []


def test_a_stopped_process_that_holds_the_table_is_not_waited_for_for_ever(path, monkeypatch, log_lines):
    monkeypatch.setattr(locks, "LONGEST_WAIT", 0.1)
    table = ResultsTable(path, COLUMNS)
    table.append([row(0)])
    with FileLock(path.with_name(".table.csv.lock")):
        table.append([row(1)])
    assert table.path.name == "table_2.csv"
    assert [line[-1] for line in read(table.path)] == ["run_id", "run1"]
    [line] = log_lines
    assert "another process holds it" in line


def test_a_saved_table_is_plain_csv(tmp_path):
    path = tmp_path / "scores" / "a.csv"
    save_csv(path, pd.DataFrame({"path": ["ä.wav"], "score": [1 / 3]}))
    assert path.read_text(encoding="utf-8").splitlines() == ["path,score", f"ä.wav,{1 / 3!r}"]
    assert [item.name for item in path.parent.iterdir()] == ["a.csv"]
