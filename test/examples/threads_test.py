"""threads: both functions print in any order, and "Done!" comes after both."""
import os
import pathlib
import subprocess
import unittest

PROGRAM = pathlib.Path(os.environ["SIMUL_BUILD"]) / "examples" / "threads"


class Threads(unittest.TestCase):
    def test_done_is_last(self):
        done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=50)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(sorted(lines[:2]), ["Cube: 1000", "Square: 100"])
        self.assertEqual(lines[2:], ["Done!"])


if __name__ == "__main__":
    unittest.main()
