// How many GETs of 1 KiB does libcurl's multi interface do in a second, and with how much CPU time each?
#include <curl/curl.h>

#include "../common.h"

enum { in_flight_max = 1024 };

static size_t count_bytes(char* data, size_t size, size_t count, void* total) {
    (void)data;
    *(long*)total += (long)(size * count);
    return size * count;
}

static long received[in_flight_max];

int main(int argc, char** argv) {
    const long port = option(argc, argv, "--port", 0);
    const long count = option(argc, argv, "--in-flight", 64);
    const int64_t warm_up = option(argc, argv, "--warm-up-ms", 100) * 1000000;
    const int64_t measured = option(argc, argv, "--measure-ms", 300) * 1000000;
    if (port == 0 || count < 1 || count > in_flight_max) {
        fprintf(stderr,
                "usage: http_client_curl --port P [--in-flight 1..1024] [--warm-up-ms N] [--measure-ms N]\n");
        return 2;
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%ld/1k", port);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM* multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, count);
    for (long i = 0; i < count; ++i) {
        CURL* easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &received[i]);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, (char*)&received[i]);
        if (curl_multi_add_handle(multi, easy) != CURLM_OK) return 1;
    }
    const int64_t begin = now_ns() + warm_up, end = begin + measured;
    int64_t started = 0, cpu = 0;
    long requests = 0;
    for (;;) {
        int running = 0, left = 0;
        if (curl_multi_perform(multi, &running) != CURLM_OK) return 1;
        for (CURLMsg* message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
            CURL* easy = message->easy_handle;
            char* bytes = NULL;
            long status = 0;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &bytes);
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            if (message->data.result != CURLE_OK || status != 200 || *(long*)bytes != 1024) {
                fprintf(stderr, "a request failed: %s\n", curl_easy_strerror(message->data.result));
                return 1;
            }
            ++requests;
            *(long*)bytes = 0;
            curl_multi_remove_handle(multi, easy);
            curl_multi_add_handle(multi, easy);
        }
        const int64_t now = now_ns();
        if (started == 0 && now >= begin) {
            started = now;
            cpu = own_cpu_ns();
            requests = 0;
        }
        if (started != 0 && now >= end) {
            cpu = own_cpu_ns() - cpu;
            printf("{\"requests\": %ld, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", requests,
                   (double)(now - started) / 1e9, (double)cpu / 1e9);
            return 0;
        }
        curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
}
