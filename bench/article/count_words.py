"""The article's last listing, the client. usage: count_words.py REDIS_SOCKET URL"""

import sys

from mymodule import count_words_at_url
from redis import Redis
from rq import Queue

q = Queue(connection=Redis(unix_socket_path=sys.argv[1]))
job = q.enqueue(count_words_at_url, sys.argv[2])
