# Functions that the real `rq worker` runs for jobs that simul enqueued.
def add(a, b):
    return a + b


def greet(name, times=1, *, sign="!"):
    return " ".join(["Hello " + name + sign] * times)


def echo(value):
    return value


def fail(text):
    raise ValueError(text)
