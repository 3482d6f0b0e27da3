"""`article`: the listings of the article, as programs that start, do their work and end."""

import contextlib
import json
import tempfile

from harness.lab import Missing, Trouble
from harness.measurement import Candidate, Measurement, Metric

continents = sorted(f"The name of continent is :  {name}" for name in ["Asia", "America", "Europe", "Africa"])
coroutine = ["Searching prefix:Dear", "Dear James", "Closing coroutine!!"]


def check(listing, out, lab):
    """A program that prints something else than the article is not measured."""
    lines = [line.rstrip() for line in out.splitlines()]
    if listing == "processes":
        good = sorted(" ".join(line.split()) for line in lines) == [
            " ".join(line.split()) for line in continents
        ]
    elif listing == "threads":
        good = sorted(lines[:2]) == ["Cube: 1000", "Square: 100"] and lines[2:] == ["Done!"]
    elif listing == "coroutine":
        good = lines == coroutine
    elif listing == "top_posts":
        posts = json.loads((lab.bench / "article" / "posts.json").read_text())
        expected = []
        for subreddit in ["compsci", "python", "programming"]:
            expected += [f"{score}: {title} ({url})" for score, title, url in posts[subreddit]] + [
                f"DONE: {subreddit}",
                "",
            ]
        good = lines == expected
    else:
        good = "322" in out.split()
    if not good:
        raise Trouble(f"{listing} did not print what the article does:\n{out}")


@contextlib.contextmanager
def services(lab):
    """The site that is asked, and a Redis of its own on a private socket."""
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(lab.server([lab.python, str(lab.bench / "article" / "server.py")]))
        found = {"site": f"http://127.0.0.1:{site.port}"}
        try:
            redis = lab.command("redis-server", "redis-server")
        except Missing:
            pass  # the candidates that need it say so
        else:
            path = str(lab.scratch / "redis.sock")
            stack.enter_context(
                lab.background(
                    [
                        redis,
                        "--port",
                        "0",
                        "--unixsocket",
                        path,
                        "--save",
                        "",
                        "--appendonly",
                        "no",
                        "--dir",
                        str(lab.scratch),
                    ]
                )
            )
            lab.await_socket(path)
            found["redis"] = path
        yield found


def used(*programs):
    """What several programs used together, in the units of the tables."""
    return {
        "cpu_ms": sum(figures["cpu_s"] for figures in programs) * 1000,
        "peak_mib": max(figures["peak_kib"] for figures in programs) / 1024,
    }


def run_listing(lab, env, command):
    """A program from its start to its end."""
    with lab.launched(command, env) as program:
        out, figures = program.wait()
    return out, {"wall_ms": figures["wall_s"] * 1000, **used(figures)}


def run_queue(lab, env, worker, client):
    """A worker and a client that waits for the job's result, both started at once; the worker is ended then."""
    with lab.launched(worker, env) as at_work, lab.launched(client, env) as asking:
        out, asked = asking.wait()
        _, worked = at_work.stop()
    return out, {"wall_ms": asked["wall_s"] * 1000, **used(asked, worked)}


def take(lab, found, programs):
    env = {"PYTHONPATH": str(lab.bench / "article"), "PYTHONDONTWRITEBYTECODE": "1"}
    figures = {}
    for listing, commands in programs(lab, found).items():
        run = run_listing if len(commands) == 1 else run_queue
        out, figures[listing] = run(lab, env, *commands)
        check(listing, out, lab)
    return figures


def python(lab):
    interpreter = lab.python_with("aiohttp")
    script = lambda name: str(lab.bench / "article" / f"{name}.py")  # noqa: E731

    def programs(lab, found):
        listings = {name: [[interpreter, script(name)]] for name in ["processes", "threads", "coroutine"]}
        listings["top_posts"] = [[interpreter, script("top_posts"), found["site"]]]
        return listings

    return programs


def rq(lab):
    interpreter = lab.python_with("rq", "redis", "requests")
    lab.command("redis-server", "redis-server")
    worker = lab.command("rq", "python3-rq")

    def programs(lab, found):
        client = [
            interpreter,
            str(lab.bench / "article" / "count_words.py"),
            found["redis"],
            found["site"] + "/words",
        ]
        return {
            "count_words": [
                [interpreter, worker, "worker", "--quiet", "--url", f"unix://{found['redis']}"],
                client,
            ]
        }

    return programs


def node(lab):
    interpreter = lab.command("node", "nodejs")
    return lambda lab, found: {
        "top_posts": [[interpreter, str(lab.bench / "article" / "top_posts.mjs"), found["site"]]]
    }


def simul(lab):
    listings = {name: [lab.example(name)] for name in ["processes", "threads", "coroutine", "top_posts"]}

    def programs(lab, found):
        arguments = {"top_posts": ["--base", found["site"]]}
        return {name: [command + arguments.get(name, [])] for name, command in listings.items()}

    return programs


def simul_queue(store):
    """`store(lab, found)` gives the URL of an empty store."""

    def prepare(lab):
        worker, client = lab.example("count_words_worker"), lab.example("count_words_client")

        def programs(lab, found):
            where = store(lab, found)
            return {"count_words": [[worker, where], [client, where, found["site"] + "/words"]]}

        return programs

    return prepare


def redis_store(lab, found):
    return f"unix://{found['redis']}"


def embedded_store(lab, found):
    return f"sqlite://{tempfile.mkdtemp(dir=lab.scratch)}/jobs.db"


measurement = Measurement(
    name="article",
    question="What do the article's programs cost, from start to end, in Python, in Node and in simul?",
    metrics=[
        Metric("wall_ms", "wall time", "ms"),
        Metric("cpu_ms", "CPU time", "ms"),
        Metric("peak_mib", "peak memory", "MiB"),
    ],
    candidates=[
        Candidate("simul", "simul", simul),
        Candidate("simul on Redis", "simul", simul_queue(redis_store)),
        Candidate("simul on SQLite", "simul", simul_queue(embedded_store)),
        Candidate("Python", "peer", python),
        Candidate("Python RQ on Redis", "peer", rq),
        Candidate("Node", "peer", node),
    ],
    services=services,
    round=take,
    targets=["bench_article"],
    notes=[
        "every program is started, does its work and ends; what it prints is compared with the article",
        "CPU time counts the processes that a program started; peak memory is that of the largest single process",
        "top_posts: the site answers after 50, 100 and 150 ms, so no program can take less than 150 ms of wall time",
        "count_words: a worker and a client that waits for the result, started together; wall time until the client has the result, CPU time "
        "of both. Redis runs already and is not counted; on SQLite there is nothing else",
    ],
)
