# Functions that the real `rq worker` runs for jobs that simul enqueued.
import time

from rq import get_current_job


def add(a, b):
    return a + b


def greet(name, times=1, *, sign="!"):
    return " ".join(["Hello " + name + sign] * times)


def echo(value):
    return value


def fail(text):
    raise ValueError(text)


# Counts its runs, so that a test sees whether it ran once.
def count(key):
    return get_current_job().connection.incr(key)


# Fails until the key is there.
def need(key):
    if not get_current_job().connection.exists(key):
        raise ValueError("no " + key)
    return key


def nap(seconds):
    time.sleep(seconds)
    return "rested"
