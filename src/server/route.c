// SPDX-License-Identifier: Apache-2.0
//
// Templates are matched row by row, segment by segment: some dozens of rows, of which nearly all
// differ from a path in its third segment, cost a microsecond. A tree of segments would be faster
// and need building, freeing and explaining.
#include "server/route.h"

#include "api/params.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/unicode.h"

// ── Paths ──

// Cuts the first segment off "/a/b": "a", leaving "/b". False at the end.
static bool next_segment(hd_slice *path, hd_slice *segment) {
    if (path->n == 0 || path->p[0] != '/') return false;
    size_t n = 1;
    while (n < path->n && path->p[n] != '/') n++;
    *segment = (hd_slice){path->p + 1, n - 1};
    *path = (hd_slice){path->p + n, path->n - n};
    return true;
}

// The same of a template, which ends with its zero byte.
static bool next_of_template(const char **path, hd_slice *segment) {
    const char *p = *path;
    if (*p != '/') return false;
    size_t n = 1;
    while (p[n] != '\0' && p[n] != '/') n++;
    *segment = (hd_slice){p + 1, n - 1};
    *path = p + n;
    return true;
}

static bool is_param(hd_slice segment) {
    return segment.n > 2 && segment.p[0] == '{';
}

static bool same(hd_slice a, hd_slice b) {
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

// How well a template fits: -1 not at all, else how many segments are literal.
static int fit(const hd_op *op, hd_slice path, hd_route *out) {
    const char *template = op->path;
    hd_slice want;
    hd_slice got;
    int literal = 0;
    out->n_values = 0;
    for (;;) {
        bool more = next_of_template(&template, &want);
        if (next_segment(&path, &got) != more) return -1;
        if (!more) break;
        if (!is_param(want)) {
            if (!same(want, got)) return -1;
            literal++;
        } else {
            if (got.n == 0 || out->n_values == HD_ROUTE_MAX_VALUES) return -1;
            out->value[out->n_values++] = got;
        }
    }
    out->op = op;
    return path.n == 0 ? literal : -1;
}

static void add_method(hd_str *allow, const char *method) {
    if (!allow || strstr(hd_str_get(allow), method)) return;
    if (allow->len) hd_str_add(allow, ", ");
    hd_str_add(allow, method);
}

static bool is_served(const hd_op *op) {
    return op->path && op->run_as != HD_RUN_NEVER && op->only != HD_ONLY_CLI;
}

// The methods of the paths that fit best: /models/x/activate is no version of x.
static hd_route_state other_methods(hd_slice path, hd_str *allow) {
    int best = -1;
    for (size_t i = 0; hd_ops[i]; i++) {
        hd_route found;
        int literal = is_served(hd_ops[i]) ? fit(hd_ops[i], path, &found) : -1;
        if (literal < 0 || literal < best) continue;
        if (literal > best && allow) hd_str_reset(allow);
        best = literal;
        add_method(allow, hd_ops[i]->method);
    }
    return best >= 0 ? HD_ROUTE_NO_METHOD : HD_ROUTE_NO_PATH;
}

hd_route_state hd_route_find(hd_slice method, hd_slice path, hd_route *out, hd_str *allow) {
    int best = -1;
    for (size_t i = 0; hd_ops[i]; i++) {
        hd_route found;
        const hd_op *op = hd_ops[i];
        if (!is_served(op) || !hd_slice_eq(method, op->method)) continue;
        int literal = fit(op, path, &found);
        if (literal <= best) continue;
        best = literal;
        *out = found;
    }
    return best >= 0 ? HD_ROUTE_FOUND : other_methods(path, allow);
}

// ── Texts ──

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

heed_err hd_route_decode(hd_slice text, bool plus, hd_str *out) {
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '+' && plus) c = ' ';
        if (c == '%') {
            int high = i + 2 < text.n ? hex(text.p[i + 1]) : -1;
            int low = high >= 0 ? hex(text.p[i + 2]) : -1;
            if (low < 0)
                return HD_FAIL(HEED_USAGE, "a percent sign is not followed by two digits",
                               "百分号后面不是两位十六进制数字");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            return HD_FAIL(HEED_USAGE, "the address holds a zero byte", "地址中含有零字节");
        hd_str_addc(out, c);
    }
    HD_TRY(hd_str_check(out));
    if (hd_utf8_valid(hd_str_get(out), out->len) != out->len)
        return HD_FAIL(HEED_USAGE, "the address is not valid UTF-8", "地址不是有效的 UTF-8");
    return HEED_OK;
}

// ── Parameters ──

static void blame(hd_route_fault *fault, const char *place, const char *name) {
    hd_snprintf(fault->pointer, sizeof fault->pointer, "/%s/%s", place, name);
}

const hd_param *hd_route_body_param(const hd_op *op) {
    for (size_t i = 0; i < op->n_params; i++)
        if (op->params[i].body) return &op->params[i];
    return NULL;
}

const hd_param *hd_route_upload_param(const hd_op *op) {
    for (size_t i = 0; i < op->n_params; i++)
        if (op->params[i].upload) return &op->params[i];
    return NULL;
}

typedef struct name_walk {
    const hd_op *op;
    size_t i;
} name_walk;

static bool offered(const hd_param *param) {
    return param->only != HD_ONLY_CLI && !param->body && !param->upload;
}

static const char *next_name(void *ctx) {
    name_walk *walk = ctx;
    while (walk->i < walk->op->n_params) {
        const hd_param *param = &walk->op->params[walk->i++];
        if (offered(param)) return param->name;
    }
    return NULL;
}

static const hd_param *find_param(const hd_op *op, const char *name) {
    const hd_param *param = hd_param_find(op->params, op->n_params, name);
    return param && offered(param) ? param : NULL;
}

static heed_err fail_name(const hd_op *op, const char *name) {
    name_walk walk = {op, 0};
    const char *near = hd_nearest(name, next_name, &walk);
    if (near)
        return HD_FAIL(HEED_USAGE, "unknown parameter '%s'; did you mean '%s'?",
                       "没有“%s”这个参数；您是想用“%s”吗？", name, near);
    return HD_FAIL(HEED_USAGE, "unknown parameter '%s'; /openapi.json lists them",
                   "没有“%s”这个参数；/openapi.json 列出了所有参数", name);
}

// Named as it stands in the request, not as a flag.
static hd_param plain(const hd_param *param) {
    hd_param out = *param;
    out.plain = true;
    return out;
}

static heed_err add_text(json_t *params, const hd_op *op, const char *name, const char *text) {
    const hd_param *found = find_param(op, name);
    if (!found) return fail_name(op, name);
    if (!found->many && json_object_get(params, name))
        return HD_FAIL(HEED_USAGE, "'%s' is given twice", "“%s”给出了两次", name);
    const hd_param param = plain(found);
    return hd_params_add(params, &param, text);
}

static heed_err add_path(const hd_route *route, json_t *params, hd_route_fault *fault) {
    hd_slice template = hd_slice_of(route->op->path);
    hd_slice segment;
    heed_err err = HEED_OK;
    hd_str text;
    hd_str_init(&text);
    for (size_t i = 0; err == HEED_OK && next_segment(&template, &segment);) {
        if (!is_param(segment)) continue;
        char name[64];
        hd_snprintf(name, sizeof name, "%.*s", (int)segment.n - 2, segment.p + 1);
        blame(fault, "path", name);
        hd_str_reset(&text);
        err = hd_route_decode(route->value[i++], false, &text);
        if (err == HEED_OK) err = add_text(params, route->op, name, hd_str_get(&text));
    }
    hd_str_clear(&text);
    return err;
}

// Names that keys go by: in a URL they would stand in logs and histories.
static bool is_key_name(const char *name) {
    static const char *const names[] = {"key",       "api_key",      "apikey",        "x-api-key",
                                        "api-key",   "access_token", "authorization", "token",
                                        "write_key", "writeKey"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (hd_slice_eq_nocase(hd_slice_of(name), names[i])) return true;
    return false;
}

// Senders of other products' events add parameters of their own (a version, a compression).
static bool is_lenient(const hd_op *op) {
    return op->key_basic || op->key_in_body;
}

static heed_err add_pair(const hd_route *route, hd_slice pair, json_t *params, hd_str *name,
                         hd_str *value, hd_route_fault *fault) {
    const char *eq = memchr(pair.p, '=', pair.n);
    size_t n = eq ? (size_t)(eq - pair.p) : pair.n;
    hd_str_reset(name);
    hd_str_reset(value);
    HD_TRY(hd_route_decode((hd_slice){pair.p, n}, true, name));
    blame(fault, "query", hd_str_get(name));
    if (eq) HD_TRY(hd_route_decode((hd_slice){eq + 1, pair.n - n - 1}, true, value));
    if (!find_param(route->op, hd_str_get(name))) {
        if (is_key_name(hd_str_get(name)))
            return HD_FAIL(HEED_USAGE,
                           "a key doesn't belong into the address, where logs keep it; send it as "
                           "'Authorization: Bearer …', and revoke this one",
                           "密钥不应写在地址里（会留在日志中）；请用“Authorization: Bearer "
                           "…”发送，并吊销这一个");
        if (is_lenient(route->op)) return HEED_OK;
    }
    return add_text(params, route->op, hd_str_get(name), eq ? hd_str_get(value) : "true");
}

static heed_err add_query(const hd_route *route, hd_slice query, json_t *params,
                          hd_route_fault *fault) {
    hd_str name;
    hd_str value;
    hd_str_init(&name);
    hd_str_init(&value);
    heed_err err = HEED_OK;
    while (err == HEED_OK && query.n > 0) {
        const char *amp = memchr(query.p, '&', query.n);
        size_t n = amp ? (size_t)(amp - query.p) : query.n;
        if (n > 0) err = add_pair(route, (hd_slice){query.p, n}, params, &name, &value, fault);
        size_t step = n + (amp != NULL);
        query = (hd_slice){query.p + step, query.n - step};
    }
    hd_str_clear(&name);
    hd_str_clear(&value);
    return err;
}

static heed_err add_members(const hd_route *route, json_t *body, json_t *params,
                            hd_route_fault *fault) {
    if (!json_is_object(body))
        return HD_FAIL(HEED_USAGE, "the body must be a JSON object", "请求体应为 JSON 对象");
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value) {
        blame(fault, "body", name);
        const hd_param *found = find_param(route->op, name);
        if (!found) return fail_name(route->op, name);
        if (json_object_get(params, name))
            return HD_FAIL(HEED_USAGE, "'%s' is given twice", "“%s”给出了两次", name);
        if (json_is_null(value)) continue; // as if it weren't there
        const hd_param param = plain(found);
        HD_TRY(hd_params_add_json(params, &param, value));
    }
    return HEED_OK;
}

static bool is_json(hd_slice type) {
    size_t n = 0;
    while (n < type.n && type.p[n] != ';') n++;
    hd_slice media = hd_slice_trim((hd_slice){type.p, n});
    return hd_slice_eq_nocase(media, "application/json") ||
           hd_slice_eq_nocase(media, "text/json") ||
           (media.n > 5 && hd_slice_eq_nocase((hd_slice){media.p + media.n - 5, 5}, "+json"));
}

static heed_err add_body(const hd_route *route, const hd_http_request *request, json_t *params,
                         hd_route_fault *fault) {
    const hd_param *whole = hd_route_body_param(route->op);
    blame(fault, "body", "");
    if (request->body.n == 0) return HEED_OK;
    hd_slice type = hd_http_header_get(request, "Content-Type");
    if (type.p && !is_json(type) && !is_lenient(route->op))
        return HD_FAIL(HEED_USAGE, "the body's Content-Type must be application/json",
                       "请求体的 Content-Type 应为 application/json");
    json_t *body = NULL;
    heed_err err = hd_json_parse(request->body.p, request->body.n, "body", &body);
    if (err == HEED_INPUT)
        err = hd_error_prefix(HEED_USAGE, "the body is not JSON", "请求体不是 JSON");
    HD_TRY(err);
    if (whole)
        err = hd_json_set(params, whole->name, json_incref(body));
    else
        err = add_members(route, body, params, fault);
    json_decref(body);
    return err;
}

static heed_err add_all(const hd_route *route, const hd_http_request *request, const char *upload,
                        json_t *params, hd_route_fault *fault) {
    const hd_op *op = route->op;
    HD_TRY(add_path(route, params, fault));
    HD_TRY(add_query(route, request->query, params, fault));
    const hd_param *file = hd_route_upload_param(op);
    if (file) {
        blame(fault, "body", "");
        if (!upload)
            return HD_FAIL(HEED_USAGE, "the body is missing; send the file as it is",
                           "缺少请求体；请原样发送文件内容");
        HD_TRY(hd_params_add(params, file, upload));
    } else {
        HD_TRY(add_body(route, request, params, fault));
    }
    fault->pointer[0] = '\0';
    for (size_t i = 0; i < op->n_params; i++) {
        const hd_param *param = &op->params[i];
        if (param->only == HD_ONLY_CLI || json_object_get(params, param->name)) continue;
        const hd_param shown = plain(param);
        if (param->initial) HD_TRY(hd_params_add(params, &shown, param->initial));
        if (!param->required) continue;
        blame(fault, param->body || param->upload ? "body" : "query",
              param->body || param->upload ? "" : param->name);
        return HD_FAIL(HEED_USAGE, "'%s' is missing", "缺少“%s”", param->name);
    }
    return HEED_OK;
}

heed_err hd_route_params(const hd_route *route, const hd_http_request *request, const char *upload,
                         json_t **params, hd_route_fault *fault) {
    *fault = (hd_route_fault){0};
    *params = json_object();
    if (!*params) return HD_FAIL_MEMORY(0);
    heed_err err = add_all(route, request, upload, *params, fault);
    if (err != HEED_OK) hd_json_drop(params);
    return err;
}

heed_err hd_route_owner(const json_t *body, const hd_op **op, json_t **params) {
    const char *name = json_string_value(json_object_get(body, "operation"));
    const char *key;
    json_t *value;
    *op = name ? hd_op_find(name) : NULL;
    *params = NULL;
    if (!*op || (*op)->run_as == HD_RUN_NEVER)
        return HD_FAIL(HEED_USAGE, "'%s' is not an operation that a server runs",
                       "“%s”不是服务器可以执行的操作", name ? name : "");
    json_t *out = json_object();
    heed_err err = out ? HEED_OK : HD_FAIL_MEMORY(0);
    json_object_foreach(json_object_get(body, "params"), key, value) {
        const hd_param *param = hd_param_find((*op)->params, (*op)->n_params, key);
        if (err == HEED_OK)
            err = param ? hd_params_add_json(out, param, value) : fail_name(*op, key);
    }
    if (err == HEED_OK)
        *params = out;
    else
        json_decref(out);
    return err;
}
