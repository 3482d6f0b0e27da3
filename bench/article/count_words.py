"""The article's last listing, the client. It waits for the result, which the article's leaves to who is interested.

usage: count_words.py REDIS_SOCKET URL
"""

import sys
import time

from mymodule import count_words_at_url
from redis import Redis
from rq import Queue

q = Queue(connection=Redis(unix_socket_path=sys.argv[1]))
job = q.enqueue(count_words_at_url, sys.argv[2])
while job.result is None:
    time.sleep(0.01)
print(job.result)
