// SPDX-License-Identifier: Apache-2.0
//
// Written as text: a failing request must be answered even where memory for a JSON tree is short.
#include "server/problem.h"

#include "base/json.h"
#include "server/status.h"

static void member(hd_str *out, const char *name, const char *text, size_t n) {
    hd_str_addf(out, ",\"%s\":", name);
    hd_json_quote(out, text, n);
}

// Messages say what to do after the last semicolon, English and Chinese alike.
static const char *find_hint(const char *detail) {
    const char *hint = NULL;
    for (const char *p = detail; *p; p++) {
        if (p[0] == ';' && p[1] == ' ') hint = p + 2;
        if (strncmp(p, "；", strlen("；")) == 0) hint = p + strlen("；");
    }
    return hint && *hint ? hint : NULL;
}

void hd_problem_write(const hd_problem *problem, hd_str *out) {
    const char *title = problem->title ? problem->title : hd_status_text(problem->status);
    const char *hint = find_hint(problem->detail);
    hd_str_addf(out, "{\"type\":\"urn:heed:error:%s\",\"title\":", problem->code);
    hd_json_quote(out, title, strlen(title));
    hd_str_addf(out, ",\"status\":%d", problem->status);
    member(out, "detail", problem->detail, strlen(problem->detail));
    member(out, "code", problem->code, strlen(problem->code));
    if (problem->request_id)
        member(out, "request_id", problem->request_id, strlen(problem->request_id));
    if (hint) member(out, "hint", hint, strlen(hint));
    if (problem->errors) {
        hd_str_addf(out, ",\"errors\":%s", problem->errors);
    } else if (problem->pointer && problem->pointer[0]) {
        hd_str_add(out, ",\"errors\":[{\"pointer\":");
        hd_json_quote(out, problem->pointer, strlen(problem->pointer));
        member(out, "detail", problem->detail, strlen(problem->detail));
        hd_str_add(out, "}]");
    }
    hd_str_add(out, "}\n");
}
