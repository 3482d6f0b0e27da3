"""top_posts against sites that are not nice: Ctrl-C in the middle of a page, and a site that says "later"."""
import os
import pathlib
import signal
import socket
import subprocess
import threading
import unittest

PROGRAM = pathlib.Path(os.environ["SIMUL_BUILD"]) / "examples" / "top_posts"


class Site:
    """A server that sends `answer` to each connection and keeps it open."""

    def __init__(self, answer):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.base = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.answer = answer
        self.requests = []
        self.half_sent = threading.Semaphore(0)
        self.ends = threading.Semaphore(0)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            self.requests.append(connection.recv(65536).decode())
            connection.sendall(self.answer)
            self.half_sent.release()
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:  # closed with bytes unread: an end too
                pass
        self.ends.release()


class TopPosts(unittest.TestCase):
    def test_ctrl_c_in_the_middle_of_a_body_ends_it_cleanly(self):
        site = Site(b'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{"data": {"children": [')
        program = subprocess.Popen([PROGRAM, "--base", site.base], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        for _ in range(3):
            self.assertTrue(site.half_sent.acquire(timeout=30))
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
        self.assertEqual(program.returncode, 130)
        self.assertEqual(out, "")
        self.assertNotIn("Traceback", err)
        self.assertNotIn("Sanitizer", err)
        for _ in range(3):
            self.assertTrue(site.ends.acquire(timeout=30), "a connection was left open")

    def test_it_asks_for_what_the_article_asks_and_says_who_it_is(self):
        site = Site(b"HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n" b'{"data": {"children": []}}\n')
        done = subprocess.run([PROGRAM, "--base", site.base], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(done.stdout.split("\n\n")), ["", "DONE: compsci", "DONE: programming", "DONE: python"])
        lines = sorted(request.split("\r\n")[0] for request in site.requests)
        self.assertEqual(lines, ["GET /r/%s/top.json?sort=top&t=day&limit=5 HTTP/1.1" % name
                                 for name in ("compsci", "programming", "python")])
        for request in site.requests:
            self.assertIn("user-agent: simul-top-posts/", request.lower())

    def test_a_429_is_readable(self):
        site = Site(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 17\r\ncontent-length: 9\r\n\r\nslow down")
        done = subprocess.run([PROGRAM, "--base", site.base], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertIn("429 Too Many Requests; try again after 17 (Retry-After); it says: slow down", done.stderr)

    def test_nobody_there_is_an_error_that_names_the_address(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            base = "http://127.0.0.1:%d" % free.getsockname()[1]
        done = subprocess.run([PROGRAM, "--base", base], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Connection refused", done.stderr)
        self.assertIn(base, done.stderr)

    def test_a_bad_url_is_an_error(self):
        for base in ("http://user@a@b/", "http://a\x01b/", "ftp://a.test/", "nonsense"):
            done = subprocess.run([PROGRAM, "--base", base], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1, base)
            self.assertNotEqual(done.stderr, "", base)


unittest.main()
