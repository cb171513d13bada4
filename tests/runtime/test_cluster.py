"""The same sweep on a Dask cluster: a worker is killed in the middle, and nothing is lost or changed."""

import threading

import pytest
from support import read_rows, write_machine

from mimii.commands import detection
from mimii.errors import UserError
from mimii.runtime.cluster import count_workers
from mimii.runtime.processes import in_parallel

distributed = pytest.importorskip("distributed")

METRICS = ["model", "machine_id", "seed", "auc", "pr_auc", "pauc", "num_parameters", "run_id"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    base = tmp_path_factory.mktemp("data")
    write_machine(base / "6dB" / "fan" / "id_00", normal=8, abnormal=3)
    write_machine(base / "6dB" / "fan" / "id_02", normal=8, abnormal=3, seed=1, pitch=300.0)
    return base


@pytest.fixture
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def sweep(data, results, *options):
    directories = [f"--{name}_dir={results / name}" for name in ("pickle", "model", "result")]
    models = ["--model", "simple_ae", "vae", "--seeds", "1", "2", "--epochs", "5"]
    args = detection.parse_args([f"--base_dir={data}", *directories, *models, *options])
    assert detection.run(args) == 0
    rows = read_rows(results / "result" / "research_results.csv")
    assert rows["run_id"].is_unique
    return rows.sort_values(METRICS)[METRICS].reset_index(drop=True)


def kill_a_worker_after_the_first_row(cluster, table, killed):
    """Wait for the table to appear, then kill one worker's process."""
    while not table.exists():
        if killed.wait(0.02):
            return
    next(iter(cluster.workers.values())).process.process._process.kill()
    killed.set()


@pytest.mark.faults
def test_killing_a_worker_changes_no_metric(data, cluster, tmp_path):
    killed = threading.Event()
    table = tmp_path / "cluster" / "result" / "research_results.csv"
    killer = threading.Thread(target=kill_a_worker_after_the_first_row, args=(cluster, table, killed))
    killer.start()
    on_cluster = sweep(data, tmp_path / "cluster", "--backend", "dask", "--scheduler", cluster.scheduler_address)
    was_killed = killed.is_set()
    killed.set()
    killer.join()
    assert was_killed
    here = sweep(data, tmp_path / "here", "--jobs", "1")
    assert len(here) == 8
    assert on_cluster.equals(here)


def test_workers_of_several_threads_are_refused():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        pytest.raises(UserError, match="--nthreads 1"),
    ):
        count_workers(cluster.scheduler_address)


def test_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("mimii.runtime.cluster._TIMEOUT", 1)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        list(in_parallel(len, ["a"], 1, scheduler="tcp://127.0.0.1:9"))
