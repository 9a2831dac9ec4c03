// SPDX-License-Identifier: Apache-2.0
//
// A stream is asked by the thread, and its text is sent by the loop; while a piece is on its way
// the stream isn't asked again, so a client that reads slowly is not flooded. Four times a second
// is soon enough for progress, and what the operation reads is a small file.
#include "server/streams.h"

#include <pthread.h>
#include <time.h>

#include "base/mem.h"
#include "server/request.h"

enum { TICK_MS = 250, QUIET_TICKS = 60 };

typedef struct stream {
    struct stream *next;
    hd_streams *all;
    hd_request *request;
    int64_t seen;
    bool ended; // nothing more will come
    bool away;  // a piece is with the loop
    bool gone;  // to be freed
    int quiet;  // ticks without news
    hd_str text;
} stream;

struct hd_streams {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool started, closing, ending;
    stream *first;
    size_t n, most;
};

static void stream_free(stream *s) {
    hd_request_clear(s->request);
    hd_free(s->request);
    hd_str_clear(&s->text);
    hd_free(s);
}

// On the loop's thread; exchange NULL: the client has gone.
static void send_piece(void *arg, hd_exchange *exchange) {
    stream *s = arg;
    hd_streams *all = s->all;
    if (exchange && s->text.len > 0) hd_exchange_send(exchange, hd_str_get(&s->text), s->text.len);
    hd_str_reset(&s->text);
    bool over = !exchange || s->ended;
    if (exchange && s->ended) hd_exchange_end(exchange);
    if (exchange && !s->ended && !hd_exchange_hold(exchange)) {
        hd_exchange_end(exchange);
        over = true;
    }
    pthread_mutex_lock(&all->lock);
    s->gone = over;
    s->away = false;
    pthread_mutex_unlock(&all->lock);
}

// Without the lock: the stream isn't away, so nobody else touches it.
static void ask(stream *s, bool ending) {
    hd_call call = {.workspace = hd_host_folder(s->request->tenant->host),
                    .params = s->request->params,
                    .lang = s->request->lang,
                    .caller = hd_request_caller(s->request)};
    if (s->request->op->stream(&call, &s->seen, &s->ended, &s->text) != HEED_OK) s->ended = true;
    if (s->text.failed || ending) s->ended = true;
}

static void sweep(hd_streams *all) {
    for (stream **at = &all->first; *at;) {
        stream *s = *at;
        if (!s->gone || s->away) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        all->n--;
        stream_free(s);
    }
}

// Asks all that aren't away. The list changes only at its head and in sweep, on this thread.
static void round_of(hd_streams *all) {
    sweep(all);
    bool ending = all->ending;
    for (stream *s = all->first; s; s = s->next) {
        if (s->away || s->gone) continue;
        pthread_mutex_unlock(&all->lock);
        ask(s, ending);
        bool news = s->text.len > 0 || s->ended;
        pthread_mutex_lock(&all->lock);
        if (!news && ++s->quiet < QUIET_TICKS) continue;
        if (!news) hd_str_add(&s->text, ":\n\n"); // keeps proxies awake, and finds who has gone
        s->quiet = 0;
        s->away = true;
        hd_exchange_post(s->request->exchange, send_piece, s);
    }
}

static void *work(void *arg) {
    hd_streams *all = arg;
    pthread_mutex_lock(&all->lock);
    while (!all->closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
        if (all->first)
            (void)pthread_cond_timedwait(&all->changed, &all->lock, &until);
        else
            pthread_cond_wait(&all->changed, &all->lock);
        if (!all->closing) round_of(all);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

heed_err hd_streams_new(size_t most, hd_streams **out) {
    hd_streams *all = hd_calloc(1, sizeof *all);
    if (!all) return HD_FAIL_MEMORY(sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    all->most = most;
    int failed = pthread_create(&all->thread, NULL, work, all);
    if (failed) {
        hd_streams_free(all);
        return HD_FAIL_ERRNO(failed, "can't start a thread", "无法启动线程", "streams");
    }
    all->started = true;
    *out = all;
    return HEED_OK;
}

void hd_streams_free(hd_streams *all) {
    if (!all) return;
    pthread_mutex_lock(&all->lock);
    all->closing = true;
    pthread_cond_signal(&all->changed);
    pthread_mutex_unlock(&all->lock);
    if (all->started) pthread_join(all->thread, NULL);
    while (all->first) {
        stream *s = all->first;
        all->first = s->next;
        stream_free(s);
    }
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    hd_free(all);
}

void hd_streams_wake(hd_streams *all) {
    pthread_mutex_lock(&all->lock);
    pthread_cond_signal(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

void hd_streams_end(hd_streams *all) {
    pthread_mutex_lock(&all->lock);
    all->ending = true;
    pthread_cond_signal(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

heed_err hd_streams_add(hd_streams *all, hd_request *request) {
    stream *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    *s = (stream){.all = all, .request = request};
    hd_str_init(&s->text);
    pthread_mutex_lock(&all->lock);
    bool full = all->n >= all->most;
    if (!full) {
        hd_exchange_stream(request->exchange, 200,
                           "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n",
                           "text/event-stream");
        if (!hd_exchange_hold(request->exchange)) s->gone = true; // swept at once
        s->next = all->first;
        all->first = s;
        all->n++;
        pthread_cond_signal(&all->changed);
    }
    pthread_mutex_unlock(&all->lock);
    if (!full) return HEED_OK;
    hd_free(s);
    return HD_FAIL(HEED_BUSY, "too many streams are open; close one", "打开的流过多；请关闭一个");
}
