"""Looking into checkpoints and writing them, where TensorFlow cannot be imported."""

import json
import os
import subprocess
import sys

from tests.checkpoint.builders import shard_path, small_checkpoint
from tests.conftest import ROOT

PROGRAM = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "absl", "keras", "tf_keras"):
            raise RuntimeError(name + " was imported")

sys.meta_path.insert(0, Refuse())
import legacy_restore as lr
from legacy_restore.examining.inspection import inspect_location

good, damaged, v1, meta, folder = sys.argv[1:]
with lr.open_checkpoint(good) as checkpoint:
    assert str(inspect_location(good))
    assert len(checkpoint["a/kernel"]) == 2
    assert checkpoint.verify().ok
    copy = lr.write_checkpoint(folder + "/copy", checkpoint)
with lr.open_checkpoint(v1) as checkpoint:
    for key in checkpoint:
        checkpoint[key]
assert lr.diff(good, copy, read="all").ok
assert not lr.diff(good, v1).ok
assert inspect_location(meta).graph is not None
report = lr.verify_checkpoint(damaged)
assert not report.ok
saved = lr.salvage(damaged, folder + "/saved")
assert [row.key for row in saved.lost] == ["a/kernel"]
found = lr.estimate([good, v1, lr.Model("m", dict, good)])
assert found.rows[0].weights == found["m"].peak and str(found)
assert not lr.diagnose(folder, read="all").ok
print(json.dumps(sorted(sys.modules)))
"""


def test_everything_about_files_works_without_tensorflow_absl_and_keras(tmp_path):
    from tests.graphdef import builders

    good = small_checkpoint(tmp_path / "good")
    damaged = small_checkpoint(tmp_path / "damaged")
    with open(shard_path(damaged), "r+b") as file:
        file.write(b"\xff")
    v1 = ROOT / "tests" / "golden" / "tf1_15_v1" / "model.ckpt"
    meta = builders.write(tmp_path / "graph.meta", builders.everything())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, good, damaged, str(v1), meta, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "numpy" in json.loads(done.stdout)
