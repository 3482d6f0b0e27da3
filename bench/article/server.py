"""The site that the article's programs ask: /r/NAME/top.json gives its posts, late enough that they finish in the article's
order, and /words a page of 322 words. Prints its port and serves until it is ended."""

import json
import pathlib
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

delay_s = {"compsci": 0.05, "python": 0.10, "programming": 0.15}
posts = json.loads((pathlib.Path(__file__).parent / "posts.json").read_text())


def listing(subreddit):
    children = [{"kind": "t3", "data": {"score": s, "title": t, "url": u}} for s, t, u in posts[subreddit]]
    return {"kind": "Listing", "data": {"children": children}}


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = self.path.partition("?")[0].split("/")
        if self.path == "/words":
            self.answer("text/plain", "simul " * 322)
        elif len(parts) == 4 and parts[1] == "r" and parts[2] in posts and parts[3] == "top.json":
            time.sleep(delay_s[parts[2]])
            self.answer("application/json", json.dumps(listing(parts[2])))
        else:
            self.send_error(404)

    def answer(self, kind, text):
        body = text.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_):
        pass


with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
    server.daemon_threads = True
    print("port", server.server_address[1])
    sys.stdout.flush()
    server.serve_forever()
