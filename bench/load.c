/* The callers: they keep connections to a gateway busy, one call after the other, and tell how long it took.
 *
 *     load PORT PATH BODY CALLS CONNECTIONS SECONDS MARK EVENTS
 *
 * BODY is the file that is posted to the PATH, CALLS times, by CONNECTIONS callers at a time. After
 * SECONDS no new call begins; those that have begun are waited for. An answer is good if it is a 200 with MARK in its
 * body and at least EVENTS server-sent events. Prints one JSON object; the times in it are milliseconds. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 256 * 1024, CALLERS = 1024, FAILURES = 50, PATIENCE = 20 /* seconds */ };

struct caller {
    int fd;
    double began, first;
    char answer[ANSWER], *body; /* the body is NULL until the head is whole */
    size_t size, body_size;     /* 0 for a chunked body */
};

static struct caller callers[CALLERS];
static int port, calls, begun, good, failed, busy, poller, events_wanted;
static const char *mark;
static char *request;
static double *times, *firsts, deadline, events_seen;
static char failure[121];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void stop(const char *why) {
    perror(why);
    exit(1);
}

static char *request_with(const char *path, const char *file) {
    FILE *body = fopen(file, "r");
    if (!body) stop(file);
    char *text = calloc(1, ANSWER), *made;
    if (!fread(text, 1, ANSWER - 1, body)) stop(file);
    fclose(body);
    if (asprintf(&made,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 "Authorization: Bearer sk-bench\r\nContent-Length: %zu\r\n\r\n%s",
                 path, port, strlen(text), text) < 0)
        stop("request");
    free(text);
    return made;
}

static void dial(struct caller *caller) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    caller->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(caller->fd, (struct sockaddr *)&address, sizeof address)) stop("connect");
    setsockopt(caller->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    epoll_ctl(poller, EPOLL_CTL_ADD, caller->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = caller});
}

/* Begins the caller's next call; when there are no more, the caller is done. */
static void ask(struct caller *caller) {
    if (begun == calls || now() > deadline || failed >= FAILURES) {
        close(caller->fd);
        busy--;
        return;
    }
    begun++;
    caller->size = 0;
    caller->first = 0;
    caller->body = NULL;
    caller->began = now();
    send(caller->fd, request, strlen(request), MSG_NOSIGNAL); /* if it fails, reading fails next */
}

/* Ends the head's text where it ends, so that looking into it does not read the body too. */
static void read_head(struct caller *caller) {
    char *end = strstr(caller->answer, "\r\n\r\n");
    if (!end) return;
    *end = 0;
    char *length = strcasestr(caller->answer, "\r\ncontent-length:");
    caller->body = end + 4;
    caller->body_size = length ? strtoul(length + 17, NULL, 10) : 0;
}

/* Answers come one at a time on a connection, so a chunked one is over when what came ends as it has to. */
static int is_whole(struct caller *caller) {
    if (!caller->body) read_head(caller);
    if (!caller->body) return 0;
    size_t size = caller->answer + caller->size - caller->body;
    if (caller->body_size) return size >= caller->body_size;
    return size >= 5 && !strcmp(caller->body + size - 5, "0\r\n\r\n");
}

/* Takes the chunk sizes out of a chunked body, in place. */
static void join_chunks(char *body) {
    char *to = body, *from = body, *data;
    for (size_t size; (size = strtoul(from, &data, 16)); from = data + 2 + size + 2) {
        memmove(to, data + 2, size);
        to += size;
    }
    *to = 0;
}

static int events_in(const char *body) {
    int count = 0;
    while ((body = strstr(body, "data: "))) count++, body += 6;
    return count;
}

static void note_failure(const char *text) {
    if (failed++) return;
    for (size_t at = 0; at < sizeof failure - 1 && text[at]; at++)
        failure[at] = text[at] < ' ' || text[at] == '"' || text[at] == '\\' ? ' ' : text[at];
}

static void judge(struct caller *caller) {
    if (!caller->body_size) join_chunks(caller->body);
    int events = events_in(caller->body), accepted = !strncmp(caller->answer, "HTTP/1.1 200", 12);
    if (!accepted || !strstr(caller->body, mark) || events < events_wanted) {
        note_failure(accepted ? caller->body : caller->answer);
        return;
    }
    times[good] = now() - caller->began;
    firsts[good++] = caller->first;
    events_seen += events;
}

static void hear(struct caller *caller) {
    ssize_t size = recv(caller->fd, caller->answer + caller->size, ANSWER - 1 - caller->size, MSG_DONTWAIT);
    if (size <= 0) {
        note_failure(caller->size ? caller->answer : "the connection was closed without an answer");
        close(caller->fd);
        dial(caller);
        ask(caller);
        return;
    }
    if (!caller->first) caller->first = now() - caller->began;
    caller->size += size;
    caller->answer[caller->size] = 0;
    if (!is_whole(caller)) return;
    judge(caller);
    ask(caller);
}

static int by_size(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static double percentile(double *values, double share) {
    qsort(values, good, sizeof *values, by_size);
    return good ? values[(int)(share * (good - 1))] : 0;
}

int main(int count, char **arguments) {
    if (count != 9) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    port = atoi(arguments[1]);
    request = request_with(arguments[2], arguments[3]);
    calls = atoi(arguments[4]);
    busy = atoi(arguments[5]) < CALLERS ? atoi(arguments[5]) : CALLERS;
    double began = now();
    deadline = began + atof(arguments[6]) * 1e3;
    mark = arguments[7];
    events_wanted = atoi(arguments[8]);
    times = calloc(calls, sizeof *times);
    firsts = calloc(calls, sizeof *firsts);
    poller = epoll_create1(0);
    for (int caller = 0, all = busy; caller < all; caller++) dial(&callers[caller]), ask(&callers[caller]);
    while (busy && now() < deadline + PATIENCE * 1e3) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 1000);
        for (int event = 0; event < ready; event++) hear(events[event].data.ptr);
    }
    printf("{\"good\": %d, \"failed\": %d, \"failure\": \"%s\", \"took\": %.1f, \"p50\": %.3f, \"p99\": %.3f, "
           "\"first\": %.3f, \"events\": %.1f}\n",
           good, failed + busy, failure, now() - began, percentile(times, 0.5), percentile(times, 0.99),
           percentile(firsts, 0.5), good ? events_seen / good : 0);
}
