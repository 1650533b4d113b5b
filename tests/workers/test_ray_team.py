"""Films colored by a real Ray cluster on this machine."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colormnet_cli.errors import DeviceError, InstallationError, WorkerError
from colormnet_cli.workers import ray_team
from colormnet_cli.workers.choice import Workers
from colormnet_cli.workers.colorize import colorize_with_workers
from colormnet_cli.workers.ray_team import RayCluster
from colormnet_cli.workers.ray_worker import Token

MEMORY = 80 * 2**20  # of a node's object store; only assignments and their outcomes are in it


class Cluster:
    """A head without CPUs, and two nodes with one each."""

    def __init__(self, tests: Path) -> None:
        import ray
        from ray.cluster_utils import Cluster

        self.ray = ray
        usual = {"worker_niceness": 0}  # by default Ray's workers yield to all other processes, such as other tests
        head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False, "_system_config": usual}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
        paths = {"env_vars": {"PYTHONPATH": str(tests.parent)}}
        ray.init(self.cluster.address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=paths)

    def close(self) -> None:
        self.ray.shutdown()
        self.cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'colormnet[ray]')")
    made = Cluster(Path(__file__).parents[1])
    yield made
    made.close()


def color(film: Any, progress: Any = None) -> Any:
    workers = Workers(ray="auto")
    return colorize_with_workers(film.planned("ray.mp4"), film.model, film.weights, workers, progress=progress)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_cluster_gives_the_identical_film_though_a_node_is_killed(cluster: Cluster, studio: Any) -> None:
    """A machine that fails in the night would cost the film; or the film would depend on the machines."""
    film = studio((60, 60, 60, 60, 40, 40), {2: 4})
    killed = list[float]()

    def progress(at: Any) -> None:
        if at.frame >= 60 and at.workers == 2 and not killed:
            killed.append(time.monotonic())
            cluster.cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)

    receipt = color(film, progress)
    assert killed
    assert film.result("ray.mp4") == film.expected
    assert any("A worker ended" in warning for warning in receipt.warnings)
    assert not list((film.plan / "segments").glob(".token*"))

    film.forget()
    film.weights.rename(film.folder / "away.pt")
    with pytest.raises(WorkerError, match=r"A worker finds no weights at .*small.pt"):
        color(film)


def test_what_a_cluster_offers() -> None:
    """A GPU would be idle, or two workers would share one."""
    offered = RayCluster._of([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}, {"CPU": 16.0, "GPU": 4.0}], None)
    assert offered == RayCluster("cuda", 6, 1)
    assert RayCluster._of([{}, {"CPU": 8.0}, {"CPU": 2.0}], None) == RayCluster("cpu", 5, 2)
    assert RayCluster._of([{"CPU": 8.0}, {"CPU": 2.0}], 4) == RayCluster("cpu", 2, 4)
    with pytest.raises(DeviceError, match="neither GPUs nor CPUs"):
        RayCluster._of([{"memory": 1.0}], None)
    with pytest.raises(DeviceError, match="No machine of the Ray cluster has 4 CPUs"):
        RayCluster._of([{"CPU": 2.0}], 4)


def test_storage_that_is_not_shared_is_noticed(tmp_path: Path) -> None:
    """A node with a folder of its own of the same name would color shots that nobody finds."""
    token = Token.write(tmp_path / "here", "1234", b"the run's setup")
    (tmp_path / "there").mkdir()
    elsewhere = Token(tmp_path / "there" / token.path.name)
    with pytest.raises(FileNotFoundError):
        elsewhere.answer("0")
    elsewhere.path.write_text("another run's")
    elsewhere.answer("0")
    assert not token.is_answered("0")
    assert token.answer("0") == b"the run's setup"
    assert token.is_answered("0")
    assert not token.is_answered("0")
    token.answer("1")
    token.remove()
    assert list((tmp_path / "here").iterdir()) == []


def test_a_worker_that_is_still_at_a_lost_assignment_gets_no_other() -> None:
    """It would not answer while the second one waits for the first, and count as lost until no attempt is left."""
    member = ray_team._Member("0", None)
    member.is_ready = True
    assert member.is_free
    member.calls["color"] = "the answer to the lost assignment"
    assert not member.is_free


def test_without_ray_the_extra_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user would see a traceback of an import."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InstallationError, match=r"pip install 'colormnet\[ray\]'"):
        ray_team._ray()
