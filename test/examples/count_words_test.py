"""count_words: client, worker and page as three programs, on both stores; the worker's log is the article's."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

EXAMPLES = pathlib.Path(os.environ["SIMUL_BUILD"]) / "examples"
LOG = [
    r"\d\d:\d\d:\d\d simul worker '.+' started, version \d+\.\d+\.\d+",
    r"\d\d:\d\d:\d\d \*\*\* Listening on default\.\.\.",
    r"\d\d:\d\d:\d\d Cleaning registries for queue: default",
    r"\d\d:\d\d:\d\d default: mymodule\.count_words_at_url\('http://nvie\.com'\) \([0-9a-f-]{36}\)",
    r"322",
    r"\d\d:\d\d:\d\d default: Job OK \([0-9a-f-]{36}\)",
    r"\d\d:\d\d:\d\d Result is kept for 500 seconds",
]


class CountWords(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.running = []

    def tearDown(self):
        for program in reversed(self.running):
            if program.poll() is None:
                program.kill()
            program.communicate()
        shutil.rmtree(self.folder)

    def start(self, *command):
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.running.append(program)
        return program

    def wait_for(self, path):
        limit = time.monotonic() + 20
        while not path.exists():
            self.assertLess(time.monotonic(), limit, f"{path.name} did not appear")
            time.sleep(0.01)

    def count(self, store):
        site = self.folder / "site"
        self.start(EXAMPLES / "count_words_site", site)
        self.wait_for(site)
        worker = self.start(EXAMPLES / "count_words_worker", store, site)
        client = subprocess.run([EXAMPLES / "count_words_client", store, "http://nvie.com"], capture_output=True,
                                text=True, timeout=60)
        self.assertEqual(client.returncode, 0, client.stderr)
        self.assertRegex(client.stdout, r"\Aenqueued [0-9a-f-]{36}\n322 words\n\Z")
        # The client may have the result before the worker has written that it is recorded.
        for expected in LOG:
            self.assertRegex(worker.stdout.readline(), rf"\A{expected}\n\Z")
        worker.send_signal(signal.SIGTERM)
        log, _ = worker.communicate(timeout=60)
        self.assertEqual(worker.returncode, 0, log)

    def test_on_an_embedded_store(self):
        self.count(f"sqlite://{self.folder}/jobs.db")

    @unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
    def test_on_redis(self):
        server = self.folder / "redis"
        self.start("redis-server", "--port", "0", "--unixsocket", server, "--dir", self.folder, "--save", "")
        self.wait_for(server)
        self.count(f"unix://{server}")

    def test_the_page_has_322_words_by_pythons_split(self):
        source = pathlib.Path(__file__).parents[2] / "examples" / "count_words" / "site.cpp"
        page = re.search(r'R"html\((.*)\)html"', source.read_text(), re.DOTALL).group(1)
        self.assertEqual(len(page.split()), 322)


if __name__ == "__main__":
    unittest.main()
