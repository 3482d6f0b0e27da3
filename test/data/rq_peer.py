# The Python side of the interop tests: python3 rq_peer.py SOCKET COMMAND ARGS... prints one JSON value.
import json
import sys

from redis import Redis
from rq import Queue, Retry, Worker
from rq.command import send_kill_horse_command, send_shutdown_command, send_stop_job_command
from rq.job import Dependency, Job
from rq.serializers import JSONSerializer
import rq

connection = Redis(unix_socket_path=sys.argv[1])
command, arguments = sys.argv[2], sys.argv[3:]


def shown(job):
    job.refresh()
    latest = job.latest_result()
    return {
        "status": str(getattr(job.get_status(), "value", job.get_status())),
        "value": repr(job.return_value()),
        "exc": (latest.exc_string or "").strip().splitlines()[-1] if latest and latest.exc_string else "",
        "description": job.description,
        "worker": job.worker_name,
        "ttl": connection.ttl(job.key),
        "retries_left": job.retries_left,
        "started": job.started_at is not None,
        "ended": job.ended_at is not None,
    }


if command == "enqueue":  # ID FUNCTION ARGS KWARGS OPTIONS SERIALIZER
    job_id, function, args, kwargs, options, serializer = arguments
    options = eval(options)
    queue = Queue(options.pop("queue", "default"), connection=connection, serializer=JSONSerializer if serializer == "json" else None)
    queue.enqueue_call(function, args=eval(args), kwargs=eval(kwargs), job_id=job_id, **options)
    print(json.dumps("ok"))
elif command == "job":  # ID SERIALIZER
    job = Job.fetch(arguments[0], connection=connection,
                    serializer=JSONSerializer if arguments[1] == "json" else None)
    print(json.dumps(shown(job)))
elif command == "call":  # ID: what a job that simul enqueued looks like
    job = Job.fetch(arguments[0], connection=connection)
    print(json.dumps([job.func_name, repr(job.args), repr(job.kwargs), job.description, job.timeout, job.origin]))
elif command == "dependencies":  # ID: what RQ knows of what a job waits for, and of who waits for it
    job = Job.fetch(arguments[0], connection=connection)
    print(json.dumps({
        "dependencies": sorted(d.id for d in job.fetch_dependencies()),
        "dependents": sorted(job.dependent_ids),
        "allow_failures": bool(job.allow_dependency_failures),
        "met": job.dependencies_are_met(),
    }))
elif command == "cancel":  # ID: with its dependents released
    Job.fetch(arguments[0], connection=connection).cancel(enqueue_dependents=True)
    print(json.dumps("ok"))
elif command == "requeue":  # ID
    Job.fetch(arguments[0], connection=connection).requeue()
    print(json.dumps("ok"))
elif command == "stop-job":  # ID
    send_stop_job_command(connection, arguments[0])
    print(json.dumps("ok"))
elif command == "kill-horse":  # WORKER
    send_kill_horse_command(connection, arguments[0])
    print(json.dumps("ok"))
elif command == "shutdown":  # WORKER
    send_shutdown_command(connection, arguments[0])
    print(json.dumps("ok"))
elif command == "worker":  # NAME: what RQ shows of it
    found = [w for w in Worker.all(connection=connection) if w.name == arguments[0]]
    print(json.dumps([{
        "state": str(w.get_state()),
        "failed": w.failed_job_count,
        "shutdown_requested": connection.hget(w.key, "shutdown_requested_date") is not None,
    } for w in found]))
elif command == "registries":
    queue = Queue(connection=connection)
    print(json.dumps({
        "queued": queue.count,
        "finished": queue.finished_job_registry.get_job_ids(),
        "failed": queue.failed_job_registry.get_job_ids(),
        "started": queue.started_job_registry.count,
        "scheduled": queue.scheduled_job_registry.get_job_ids(),
        "deferred": queue.deferred_job_registry.get_job_ids(),
        "keys": sorted(key.decode() for key in connection.keys("*")),
    }))
else:
    sys.exit("unknown command " + command)
