// SPDX-License-Identifier: Apache-2.0
//
// heed serve: workspaces that stay open, loops that listen, workers, and what they share.
//
// Threads and places: loop i reads at place i of every workspace, worker w at place n_loops + w;
// each workspace has a writing thread of its own (workspace/host.h).
#ifndef HD_SERVER_SERVER_H
#define HD_SERVER_SERVER_H

#include "api/host.h"
#include "api/jobs.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/streams.h"
#include "server/workers.h"

typedef struct hd_tenant {
    hd_host *host;
    hd_guard *guard; // NULL: the workspace's own keys aren't here, so API keys can't be checked
    char *spool;     // folder of bodies on their way
} hd_tenant;

typedef struct hd_server {
    hd_settings *settings;
    hd_tenant *tenants; // (n_tenants)
    size_t n_tenants;
    size_t n_loops, n_workers;
    hd_loop **loops;       // (n_loops)
    struct hd_seat *seats; // (n_loops)
    hd_tls *tls;           // NULL: plain
    hd_workers *workers;
    hd_runner *runner;
    hd_metrics *metrics;
    hd_streams *streams;
    hd_limits limits;
    hd_str openapi;
    int64_t started;  // wall clock
    uint64_t id_seed; // of request ids
    _Atomic uint64_t id_next;
    atomic_bool draining;
    atomic_bool reload; // certificates and settings are to be read again
} hd_server;

#endif
