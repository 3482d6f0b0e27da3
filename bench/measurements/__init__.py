"""The measurements that bench/run knows, by name. One file each; it says what is compared with what, and what must be reached."""

from . import article, echo, gil, http_client, sleepers, switch

measurements = {
    m.name: m
    for m in [
        article.measurement,
        gil.measurement,
        switch.measurement,
        sleepers.measurement,
        echo.measurement,
        http_client.measurement,
    ]
}
