"""Examples whose output cannot be written must not end with status 0."""
import os
import pathlib
import subprocess
import tempfile
import unittest

FOLDER = pathlib.Path(os.environ["SIMUL_BUILD"]) / "examples"


class FullDisk(unittest.TestCase):
    def test_status_is_not_0(self):
        for name in ["processes", "threads", "coroutine", "chess", "shared_state"]:
            with self.subTest(name), open("/dev/full", "w") as full, tempfile.TemporaryDirectory() as folder:
                done = subprocess.run([FOLDER / name], cwd=folder, stdout=full, stderr=subprocess.PIPE, timeout=50)
                self.assertEqual(done.returncode, 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
