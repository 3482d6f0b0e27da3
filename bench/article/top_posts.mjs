// The article's fourth listing as one writes it for Node: three requests at once with fetch. usage: top_posts.mjs BASE
const base = process.argv[2];

async function topPosts(subreddit) {
    const response = await fetch(`${base}/r/${subreddit}/top.json?sort=top&t=day&limit=5`);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const listing = await response.json();
    for (const { data } of listing.data.children) console.log(`${data.score}: ${data.title} (${data.url})`);
    console.log(`DONE: ${subreddit}\n`);
}

await Promise.all(["python", "programming", "compsci"].map(topPosts));
process.exit(0); // connections that are kept would hold the program
