"""An archive that outgrows one machine: orapo's own functions on the processes of a Dask cluster.

    pip install 'orapo[cluster]'
    python examples/archive_on_a_cluster.py

Here the cluster is two processes of this machine and the archive a phantom. With a real one, give
`Client` its scheduler's address ("tcp://..."), the number of its processes as ``workers``, and run this
where the tables can be read; each process must see films and output folder under the same names.
Interrupted and called again, both go on: `convert` by the copies that are there, `check_images` by the
file that it keeps.
"""

import tempfile
from pathlib import Path

from orapo.data.convert import convert
from orapo.data.datasets import load_dataset
from orapo.data.image_check import check_images
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.layouts import write_layout

WORKERS = 2


def main(folder: Path) -> None:
    """Check and convert a phantom on two processes."""
    from distributed import Client, LocalCluster

    source = write_layout(
        "table", folder / "archive", {"train": 60, "test": 20}, 0, PhantomConfig()
    )
    loaded = load_dataset("table", source)
    cluster = LocalCluster(
        n_workers=WORKERS,
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=str(folder / "dask"),
    )
    with cluster, Client(cluster) as client:
        pool = client.get_executor()
        seen = check_images(loaded, WORKERS, keep=folder / "seen", pool=pool)
        print(f"{seen.read} films read, {seen.unreadable} of them unreadable")
        done = convert(
            loaded,
            folder / "data",
            made_from=str(source),
            image_size=48,
            workers=WORKERS,
            pool=pool,
        )
        print(f"{done.copied} films copied, {len(done.studies)} studies, by {WORKERS} processes")


if __name__ == "__main__":  # the processes of a local cluster import this file
    try:
        import distributed  # noqa: F401
    except ImportError:
        print("distributed is not installed: pip install 'orapo[cluster]'")
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
