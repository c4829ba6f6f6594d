"""A lake's digests by the workers of a real Dask cluster."""

import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dask
import pytest
from distributed import Client

from tests.support.clustered_lake import (
    MARK,
    PATIENCE,
    SCOPE,
    digest_when_let,
    end_the_worker,
    fail_in_a_way_of_its_own,
    held_up,
    tasks,
    tasks_known,
    write_lake,
)
from tests.support.dask_cluster import DaskCluster, dask_cluster
from tests.support.failing_disk import failing_disk
from tsse_validation.domain.errors import (
    ClusterError,
    PromiseBrokenError,
    SettingsError,
    SuiteError,
    UnreachableError,
)
from tsse_validation.domain.polling import wait_until
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.cluster import cluster_workers
from tsse_validation.lake.cluster_client import ClusterWaits
from tsse_validation.lake.reader import LakeReader
from tsse_validation.lake.tasks import DigestAnswer, DigestTask, digest_task
from tsse_validation.lake.working import Workers, local_workers
from tsse_validation.runlog.setting_record import TryOutcome
from tsse_validation.seals.lake_sealing import seal_lake
from tsse_validation.seals.seal_file import seal_bytes
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.doctor_cluster import cluster_tried

CHILD = str(Path(__file__).with_name("interrupted_child.py"))
CERTIFICATES = Path(__file__).parents[1] / "clients/tls"
BRIEF = ClusterWaits(connect=3, workers=1, sight=2)


def digested(
    cluster: DaskCluster,
    paths: LakePaths,
    function: Callable[[DigestTask], DigestAnswer] = digest_task,
    waits: ClusterWaits = BRIEF,
) -> list[DigestAnswer]:
    return list(cluster_workers(cluster.address, paths, waits).run(function, tasks(paths)))


def digested_here(paths: LakePaths) -> list[DigestAnswer]:
    return list(local_workers().run(digest_task, tasks(paths)))


@contextmanager
def refused(error: type[SuiteError], *says: str) -> Iterator[None]:
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error
    for words in says:
        assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_cluster_answers_as_this_machine_does(
    cluster: DaskCluster, paths: LakePaths, capfd: pytest.CaptureFixture[str]
) -> None:
    assert digested(cluster, paths) == digested_here(paths)
    assert capfd.readouterr() == ("", "")


def test_the_seal_is_the_same_to_the_byte_though_a_worker_is_killed_and_started_again_in_mid_run(
    cluster: DaskCluster, paths: LakePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsse_validation.lake.tasks.BATCH_BYTES", 1)

    def sealed(workers: Workers) -> bytes:
        return seal_bytes(seal_lake(LakeReader(paths, workers), [SCOPE], now=lambda: MARK))

    gate = tmp_path / "gate"
    with ThreadPoolExecutor(1) as thread:
        elsewhere = thread.submit(sealed, held_up(cluster_workers(cluster.address, paths, BRIEF), gate))
        assert wait_until((tmp_path / "begun-two").exists, seconds=PATIENCE)
        cluster.end("two", by=signal.SIGKILL)
        cluster.add_worker("two")
        gate.touch()
        assert elsewhere.result() == sealed(local_workers())


@pytest.mark.parametrize(
    ("number", "why"), [pytest.param(5, "Input/output error", marks=pytest.mark.slow), (13, "Permission denied")]
)
def test_a_file_that_one_worker_cannot_read_is_that_workers_trouble(
    bare: DaskCluster, paths: LakePaths, tmp_path: Path, number: int, why: str
) -> None:
    bare.add_worker("ailing", environment=failing_disk(tmp_path, "backfill-1-1.parquet", number))
    with refused(
        ClusterError, "worker ailing (tcp://127.0.0.1:", "backfill-1-1.parquet", why, "This machine reads"
    ):
        digested(bare, paths)
    bare.end("ailing")


def test_a_file_that_is_torn_is_the_lakes_fault(cluster: DaskCluster, paths: LakePaths) -> None:
    torn = next(paths.hot.rglob("part-2-1.parquet"))
    torn.write_bytes(torn.read_bytes()[:-9])
    answers = digested(cluster, paths)
    assert answers == digested_here(paths)
    assert [str(file.path) for answer in answers for file in answer.unreadable] == [str(torn)]


def test_what_a_worker_and_this_machine_find_is_the_lakes_fault(cluster: DaskCluster, paths: LakePaths) -> None:
    (paths.hot / "_state/manifest.json").write_text("{", encoding="utf-8")
    with refused(PromiseBrokenError, "manifest.json is not what the contract promises"):
        digested(cluster, paths)


@pytest.mark.parametrize(("there", "here"), [(1, 0), pytest.param(0, 1, marks=pytest.mark.slow)])
def test_a_worker_that_sees_other_files_is_named_and_its_answer_refused(
    bare: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: int, here: int
) -> None:
    bare.add_worker("astray")
    theirs, ours = bare.home("astray"), tmp_path
    for root, lacks in ((theirs, there), (ours, here)):
        shutil.rmtree(root / "hot", ignore_errors=True)
        write_lake(root)
        if lacks:
            next((root / "hot").rglob("part-2-1.parquet")).unlink()
    monkeypatch.chdir(ours)
    sees = "sees 1 file that this machine does not" if here else "does not see 1 file that this machine sees"
    with refused(ClusterError, "worker astray (tcp://127.0.0.1:", sees, "part-2-1.parquet"):
        digested(bare, LakePaths(Path("hot")))
    bare.end("astray")


def test_a_worker_that_sees_no_lake_or_another_is_refused_before_any_work(
    bare: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lake(tmp_path)
    monkeypatch.chdir(tmp_path)
    bare.add_worker("blind")
    with refused(ClusterError, "no lake to be seen at hot on worker blind (tcp", "No such file or directory"):
        digested(bare, LakePaths(Path("hot")), fail_in_a_way_of_its_own)
    write_lake(bare.home("blind"))
    (bare.home("blind") / "hot/_state/replication.json").write_text("{}", encoding="utf-8")
    with refused(ClusterError, "Another lake than here, or an old state of it, is at hot on worker blind (tcp"):
        digested(bare, LakePaths(Path("hot")), fail_in_a_way_of_its_own)
    bare.end("blind")


def test_a_worker_with_another_version_of_ours_is_refused(
    bare: DaskCluster, paths: LakePaths, tmp_path: Path
) -> None:
    shutil.copytree(Path(__file__).parents[3] / "tsse_validation", tmp_path / "old/tsse_validation")
    with (tmp_path / "old/tsse_validation/domain/digest.py").open("a") as code:
        code.write("\nDIGEST_VERSION = 0\n")
    bare.add_worker("old", environment={"PYTHONPATH": str(tmp_path / "old")})
    with refused(ClusterError, "worker old (tcp://127.0.0.1:", "has other code of tsse-validation"):
        digested(bare, paths)
    bare.end("old")


def test_a_worker_with_another_version_that_comes_in_mid_run_gives_no_answer(
    bare: DaskCluster, paths: LakePaths, tmp_path: Path
) -> None:
    shutil.copytree(Path(__file__).parents[3] / "tsse_validation", tmp_path / "old/tsse_validation")
    shutil.copytree(Path(__file__).parents[3] / "tests", tmp_path / "old/tests")
    (tmp_path / "old/tsse_validation/lake/more.py").touch()
    gate = tmp_path / "gate"
    bare.add_worker("first")
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(digested, bare, paths, partial(digest_when_let, gate))
        assert wait_until((tmp_path / "begun-first").exists, seconds=PATIENCE)
        bare.add_worker("late", environment={"PYTHONPATH": str(tmp_path / "old")})
        bare.end("first", by=signal.SIGKILL)
        gate.touch()
        with refused(ClusterError, "worker late (tcp://127.0.0.1:", "has other code of tsse-validation"):
            answers.result()
    bare.end("late")


@pytest.mark.slow
def test_a_task_that_takes_its_workers_down_is_named_by_its_date(bare: DaskCluster, paths: LakePaths) -> None:
    bare.add_worker("mortal", more=("--nanny",))
    with refused(ClusterError, "4 workers were lost over 2026-01-2", "Has it too little memory"):
        digested(bare, paths, end_the_worker, ClusterWaits(workers=PATIENCE))
    bare.end("mortal")


def test_a_fault_of_our_own_is_told_as_on_this_machine(cluster: DaskCluster, paths: LakePaths) -> None:
    with pytest.raises(LookupError, match="no such thing as 2026-01-20"):
        digested(cluster, paths, fail_in_a_way_of_its_own)


def test_workers_that_are_all_lost_in_mid_run_are_waited_for_and_then_told(
    bare: DaskCluster, paths: LakePaths, tmp_path: Path
) -> None:
    bare.add_worker("only")
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(digested, bare, paths, partial(digest_when_let, tmp_path / "gate"))
        assert wait_until((tmp_path / "begun-only").exists, seconds=PATIENCE)
        bare.end("only", by=signal.SIGKILL)
        with refused(ClusterError, f"No worker was left at {bare.address} for 1 s, over 2026-01-2"):
            answers.result()


def test_no_worker_at_all_is_told_with_how_to_start_one(bare: DaskCluster, paths: LakePaths) -> None:
    with refused(ClusterError, f"{bare.address} has no worker: waited 1 s", f"dask worker {bare.address}"):
        digested(bare, paths)


@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_a_scheduler_that_is_not_there_is_told_in_one_sentence(
    paths: LakePaths, scheme: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        refused(UnreachableError, f"No Dask scheduler answers at {scheme}://127.0.0.1:9: Connection refused."),
        cluster_workers(f"{scheme}://127.0.0.1:9", paths, waits=ClusterWaits(connect=0.5)).open(),
    ):
        pass
    assert capfd.readouterr() == ("", "")


def test_doctor_tries_the_cluster(cluster: DaskCluster, paths: LakePaths) -> None:
    (tried,) = [one.made() for one in cluster_tried(Settings(cluster=cluster.address, hot_path=paths.hot), {})]
    assert (tried.option, tried.target, tried.outcome) == ("--cluster", cluster.address, TryOutcome.OK)
    assert tried.found == "a scheduler and 2 threads of workers, which have our software and see the lake."
    assert list(cluster_tried(Settings(), {})) == []


def test_tls_without_certificates_is_told_before_anything_is_contacted(paths: LakePaths) -> None:
    with (
        refused(SettingsError, "tls://127.0.0.1:9 needs certificates", "distributed.comm.tls"),
        cluster_workers("tls://127.0.0.1:9", paths, waits=BRIEF).open(),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_over_tls_answers_whoever_has_a_certificate_of_its_ca_and_nobody_else(
    paths: LakePaths, tmp_path: Path
) -> None:
    # signed by itself, so that it is its own CA
    cert, key = CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost.key"
    ours = {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": str(cert),
        "distributed.comm.tls.client": {"cert": str(cert), "key": str(key)},
    }
    theirs = {
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(cert),
        **{
            f"DASK_DISTRIBUTED__COMM__TLS__{who}__{what}": str(path)
            for who in ("SCHEDULER", "WORKER", "CLIENT")
            for what, path in (("CERT", cert), ("KEY", key))
        },
    }
    with dask_cluster(tmp_path / "tls", "one", tls=theirs) as secured:
        assert secured.address.startswith("tls://")
        with dask.config.set(ours):
            assert digested(secured, paths) == digested_here(paths)
        with refused(SettingsError, "needs certificates"):
            digested(secured, paths)
        secured.address = secured.address.replace("tls://", "tcp://")
        with refused(UnreachableError, "No Dask scheduler answers"):
            digested(secured, paths)


def test_the_address_of_a_worker_is_told_from_a_schedulers(cluster: DaskCluster, paths: LakePaths) -> None:
    address = cluster.address_of("one")
    with (
        refused(ClusterError, f"What answers at {address} is no scheduler, but a worker"),
        cluster_workers(address, paths, waits=BRIEF).open(),
    ):
        pass


@pytest.mark.slow
def test_a_scheduler_that_is_lost_in_mid_run_is_told(paths: LakePaths, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, "one") as brief, ThreadPoolExecutor(1) as thread:
        answers = thread.submit(digested, brief, paths, partial(digest_when_let, tmp_path / "gate"))
        assert wait_until((tmp_path / "begun-one").exists, seconds=PATIENCE)
        brief.end("scheduler", by=signal.SIGKILL)
        with refused(UnreachableError, f"The Dask scheduler at {brief.address} was lost"):
            answers.result()


def test_what_is_in_flight_at_ctrl_c_is_canceled_on_the_cluster_too(
    cluster: DaskCluster, paths: LakePaths, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    command = [sys.executable, CHILD, cluster.address, str(paths.hot), str(gate)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert wait_until((tmp_path / "begun-one").exists, seconds=PATIENCE)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE)
    assert (child.returncode, errors) == (130, b"")
    with Client(cluster.address, set_as_default=False) as client:
        assert wait_until(lambda: not client.run_on_scheduler(tasks_known), seconds=PATIENCE)
    gate.touch()


def test_no_secret_is_in_a_task(paths: LakePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t-that-no-worker-may-see"
    for name in ("TSSE_AUTH_TOKEN", "PGPASSWORD", "TSSE_DATABASE_URL", "CORE_DATABASE_URL"):
        monkeypatch.setenv(name, secret)
    assert all(secret.encode() not in pickle.dumps(task) for task in tasks(paths))
