/* The chat API behind the gateways: it answers at once, and costs as little as can be.
 *
 *     upstream        listens on a free port of 127.0.0.1 and prints which
 *
 *     POST /chatting               {"reply": "..."}; streamed, events of {"delta": "..."}
 *     POST /v1/chat/completions    a chat completion as OpenAI has it, whole or streamed
 *     POST /embed                  {"vectors": [[...]]}, one of 16 numbers
 *
 * A body with `"stream": true` gets a stream: 50 events, all of them in one write, or one each 5 ms where the body asks
 * for the model `paced`. Its clock ticks in milliseconds: events of several streams that are due in the same one leave
 * together. One thread, Linux only (epoll). It ends when the process that started it ends. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CALLERS = 1024, REQUEST = 64 * 1024, EVENTS = 50, PARTS = EVENTS + 1, PART = 1024 };
static const uint64_t GAP = 5000, TICK = 1000; /* microseconds */

#define REPLY                                                                                                    \
    "The harbour lay quiet under a pale sky. Two boats came in before noon, heavy with herring, and the gulls " \
    "followed them to the quay. Nobody spoke much; there was work to do, and the tide would not wait."

struct answer {
    char parts[PARTS][PART]; /* what leaves at a time when it is paced */
    int count;
    char whole[PARTS * PART];
    size_t size;
};

struct caller {
    char request[REQUEST];
    size_t size;
    uint64_t visit; /* tells this connection from a later one with the same descriptor */
};

struct turn { /* the next part of a paced stream */
    int fd, part;
    uint64_t visit, due;
    const struct answer *answer;
};

static struct answer reply, reply_stream, completion, completion_stream, vectors, unknown;
static struct caller callers[CALLERS];
static struct turn turns[CALLERS]; /* a ring, in order of time because every gap is the same */
static size_t first_turn, turn_count;
static int poller;
static uint64_t visits;

/* ---- the answers, written once ---- */

static void add(struct answer *answer, const char *head, const char *body, const char *tail) {
    char *part = answer->parts[answer->count++];
    int size = snprintf(part, PART, "%s%s%s", head, body, tail);
    if (size >= PART) abort();
    memcpy(answer->whole + answer->size, part, size);
    answer->size += size;
}

static void make_whole(struct answer *answer, const char *status, const char *body) {
    char head[256];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status,
             strlen(body));
    add(answer, head, body, "");
}

/* An event as one HTTP chunk; the first brings the head of the answer along, the last its end. */
static void add_event(struct answer *answer, const char *data, int last) {
    char event[PART], head[256] = "";
    if (!answer->count)
        strcpy(head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    snprintf(event, sizeof event, "data: %s\n\n", data);
    sprintf(head + strlen(head), "%zx\r\n", strlen(event));
    add(answer, head, event, last ? "\r\n0\r\n\r\n" : "\r\n");
}

static void make_reply_stream(void) {
    char data[PART];
    for (int event = 0; event < EVENTS - 1; event++) {
        snprintf(data, sizeof data, "{\"delta\": \" herring %d\", \"reason\": null}", event);
        add_event(&reply_stream, data, 0);
    }
    add_event(&reply_stream, "{\"delta\": \"\", \"reason\": \"stop\"}", 1);
}

static void add_completion_event(const char *delta, const char *finish) {
    char data[PART];
    snprintf(data, sizeof data,
             "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
             "\"model\":\"herring-1\",\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{\"index\":0,"
             "\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}",
             delta, finish);
    add_event(&completion_stream, data, 0);
}

static void make_completion_stream(void) {
    char delta[64];
    add_completion_event("\"role\":\"assistant\",\"content\":\"\"", "null");
    for (int event = 1; event < EVENTS - 1; event++) {
        snprintf(delta, sizeof delta, "\"content\":\" herring %d\"", event);
        add_completion_event(delta, "null");
    }
    add_completion_event("", "\"stop\"");
    add_event(&completion_stream, "[DONE]", 1);
}

static void make_answers(void) {
    make_whole(&reply, "200 OK", "{\"reply\": \"" REPLY "\"}");
    make_whole(&completion, "200 OK",
               "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1760000000,"
               "\"model\":\"herring-1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
               "\"content\":\"" REPLY
               "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":90,"
               "\"completion_tokens\":45,\"total_tokens\":135},\"system_fingerprint\":\"fp_0123456789\"}");
    make_whole(&vectors, "200 OK",
               "{\"vectors\": [[0.11,-0.27,0.05,0.31,-0.18,0.22,0.09,-0.33,0.41,0.02,-0.29,0.14,0.2,-0.08,0.37,0.26]]}");
    make_whole(&unknown, "404 Not Found", "{\"error\": \"there is /chatting, /embed and /v1/chat/completions\"}");
    make_reply_stream();
    make_completion_stream();
}

/* ---- the connections ---- */

/* Microseconds. */
static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * UINT64_C(1000000) + time.tv_nsec / 1000;
}

static void leave(int fd) {
    callers[fd].visit = 0;
    close(fd);
}

static void say(int fd, const char *text, size_t size) {
    while (size) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return; /* a closed connection shows when it is read */
        if (sent < 0) {
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 1000);
            continue;
        }
        text += sent;
        size -= sent;
    }
}

/* Says the stream's next part, and remembers when the one after it is due. */
static void take(struct turn turn) {
    const char *part = turn.answer->parts[turn.part++];
    say(turn.fd, part, strlen(part));
    turn.due += GAP;
    if (turn.part < turn.answer->count) turns[(first_turn + turn_count++) % CALLERS] = turn;
}

static void take_turns(void) {
    uint64_t time = now();
    while (turn_count && turns[first_turn].due <= time) {
        struct turn turn = turns[first_turn];
        first_turn = (first_turn + 1) % CALLERS;
        turn_count--;
        if (callers[turn.fd].visit == turn.visit) take(turn);
    }
}

/* Milliseconds until the next turn, -1 when there is none. */
static int until_next_turn(void) {
    if (!turn_count) return -1;
    uint64_t time = now(), due = turns[first_turn].due;
    return due > time ? (due - time + TICK - 1) / TICK : 0;
}

static const struct answer *answer_to(const char *request) {
    int streams = strstr(request, "\"stream\":true") || strstr(request, "\"stream\": true");
    if (!strncmp(request, "POST /chatting ", 15)) return streams ? &reply_stream : &reply;
    if (!strncmp(request, "POST /v1/chat/completions ", 26)) return streams ? &completion_stream : &completion;
    if (!strncmp(request, "POST /embed ", 12)) return &vectors;
    return &unknown;
}

static void answer(int fd) {
    const char *request = callers[fd].request;
    const struct answer *answer = answer_to(request);
    if (answer->count > 1 && strstr(request, "\"paced\""))
        take((struct turn){fd, 0, callers[fd].visit, now(), answer});
    else
        say(fd, answer->whole, answer->size);
    callers[fd].size = 0;
}

/* The size of the request, 0 while its head is not there. */
static size_t expected(const char *request) {
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "\r\ncontent-length:");
    if (!end) return 0;
    return end + 4 - request + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static void hear(int fd) {
    struct caller *caller = &callers[fd];
    ssize_t size = recv(fd, caller->request + caller->size, REQUEST - 1 - caller->size, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        leave(fd);
        return;
    }
    caller->size += size;
    caller->request[caller->size] = 0;
    size_t whole = expected(caller->request);
    if (whole && caller->size >= whole) answer(fd);
}

static void welcome(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= CALLERS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        callers[fd].size = 0;
        callers[fd].visit = ++visits;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    }
}

static int listening(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, CALLERS)) exit(1);
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(void) {
    struct epoll_event events[64];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    make_answers();
    int listener = listening();
    poller = epoll_create1(0);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    for (;;) {
        int count = epoll_wait(poller, events, 64, until_next_turn());
        for (int event = 0; event < count; event++) {
            int fd = events[event].data.fd;
            if (fd == listener)
                welcome(listener);
            else
                hear(fd);
        }
        take_turns();
    }
}
