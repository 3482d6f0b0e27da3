"""The article's fourth listing: three requests at once with asyncio and aiohttp.

Changed to run and to end: the site is the one given as argument, the session is made and closed where the loop runs,
and the program ends when the three tasks have ended (the article's runs until Ctrl-C).
"""

import asyncio
import json
import signal
import sys

import aiohttp

base = sys.argv[1]


async def get_json(client, url):
    async with client.get(url) as response:
        assert response.status == 200
        return await response.read()


async def get_reddit_top(subreddit, client):
    data1 = await get_json(client, base + '/r/' + subreddit + '/top.json?sort=top&t=day&limit=5')

    j = json.loads(data1.decode('utf-8'))
    for i in j['data']['children']:
        score = i['data']['score']
        title = i['data']['title']
        link = i['data']['url']
        print(str(score) + ': ' + title + ' (' + link + ')')

    print('DONE:', subreddit + '\n')


def signal_handler(signal, frame):
    sys.exit(0)


async def main():
    async with aiohttp.ClientSession() as client:
        tasks = [
            asyncio.ensure_future(get_reddit_top('python', client)),
            asyncio.ensure_future(get_reddit_top('programming', client)),
            asyncio.ensure_future(get_reddit_top('compsci', client)),
        ]
        await asyncio.gather(*tasks)


signal.signal(signal.SIGINT, signal_handler)
asyncio.run(main())
