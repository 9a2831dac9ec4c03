// SPDX-License-Identifier: Apache-2.0
//
// Paths, queries and bodies against the rows of api/; the description that is made of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "server/openapi.h"
#include "server/route.h"

static hd_route_state find(const char *method, const char *path, hd_route *route) {
    return hd_route_find(hd_slice_of(method), hd_slice_of(path), route, NULL);
}

static heed_err params(const char *method, const char *path, const char *query, const char *body,
                       json_t **out, hd_route_fault *fault) {
    hd_route route;
    assert_int_equal(find(method, path, &route), HD_ROUTE_FOUND);
    const hd_http_request request = {.method = hd_slice_of(method),
                                     .path = hd_slice_of(path),
                                     .query = hd_slice_of(query),
                                     .body = hd_slice_of(body)};
    return hd_route_params(&route, &request, NULL, out, fault);
}

static void paths_lead_to_rows(void **state) {
    (void)state;
    hd_route route;
    assert_int_equal(find("GET", "/api/v1/recommend/u1", &route), HD_ROUTE_FOUND);
    assert_string_equal(route.op->name, "recommend");
    assert_int_equal(route.n_values, 1);
    assert_int_equal(find("GET", "/api/v1/recommend/", &route), HD_ROUTE_NO_PATH);
    assert_int_equal(find("GET", "/api/v1/recommend/u1/", &route), HD_ROUTE_NO_PATH);
    assert_int_equal(find("GET", "/api/v1/recommend/u1/x", &route), HD_ROUTE_NO_PATH);
    assert_int_equal(find("GET", "//api/v1/recommend/u1", &route), HD_ROUTE_NO_PATH);
    assert_int_equal(find("GET", "/api/v1/../v1/recommend/u1", &route), HD_ROUTE_NO_PATH);
    assert_int_equal(find("get", "/api/v1/recommend/u1", &route), HD_ROUTE_NO_METHOD);
    // a literal segment wins over a parameter
    assert_int_equal(find("POST", "/api/v1/models/rollback", &route), HD_ROUTE_FOUND);
    assert_string_equal(route.op->name, "model rollback");
}

static void other_methods_are_named(void **state) {
    (void)state;
    hd_route route;
    hd_str allow;
    hd_str_init(&allow);
    assert_int_equal(
        hd_route_find(hd_slice_of("PUT"), hd_slice_of("/api/v1/train"), &route, &allow),
        HD_ROUTE_NO_METHOD);
    assert_string_equal(hd_str_get(&allow), "POST");
    hd_str_reset(&allow); // not GET as well, of a version "activate"
    assert_int_equal(hd_route_find(hd_slice_of("PUT"),
                                   hd_slice_of("/api/v1/models/popular/activate"), &route, &allow),
                     HD_ROUTE_NO_METHOD);
    assert_string_equal(hd_str_get(&allow), "POST");
    hd_str_clear(&allow);
}

static void ids_may_hold_anything_but_nothing(void **state) {
    (void)state;
    json_t *out = NULL;
    hd_route_fault fault;
    assert_int_equal(
        params("GET", "/api/v1/recommend/a%2Fb%20%E4%BD%A0+", NULL, NULL, &out, &fault), HEED_OK);
    assert_string_equal(json_string_value(json_object_get(out, "user")), "a/b 你+");
    json_decref(out);
    static const char *const bad[] = {
        "/api/v1/recommend/%",         "/api/v1/recommend/%4",  "/api/v1/recommend/%zz",
        "/api/v1/recommend/%00",       "/api/v1/recommend/%ff", "/api/v1/recommend/%C0%AF",
        "/api/v1/recommend/%ED%A0%80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(params("GET", bad[i], NULL, NULL, &out, &fault), HEED_USAGE);
        assert_string_equal(fault.pointer, "/path/user");
        assert_null(out);
    }
}

static void queries_are_checked_by_the_row(void **state) {
    (void)state;
    json_t *out = NULL;
    hd_route_fault fault;
    const char *path = "/api/v1/recommend/u1";
    assert_int_equal(params("GET", path, "n=5&category=a&category=b+c&&", NULL, &out, &fault),
                     HEED_OK);
    assert_int_equal(json_integer_value(json_object_get(out, "n")), 5);
    assert_int_equal(json_array_size(json_object_get(out, "category")), 2);
    json_decref(out);
    static const struct {
        const char *query, *pointer;
    } bad[] = {
        {"n=0", "/query/n"},
        {"n=1001", "/query/n"},
        {"n=5.5", "/query/n"},
        {"n=", "/query/n"},
        {"n=5&n=6", "/query/n"},
        {"nn=5", "/query/nn"},
        {"user=u2", "/query/user"},
        {"n=%", "/query/n"},
        {"api_key=x", "/query/api_key"},
        {"access_token=x", "/query/access_token"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(params("GET", path, bad[i].query, NULL, &out, &fault), HEED_USAGE);
        assert_string_equal(fault.pointer, bad[i].pointer);
    }
    assert_non_null(strstr(heed_error_message(HEED_EN), "Bearer"));
}

static void bodies_have_types(void **state) {
    (void)state;
    json_t *out = NULL;
    hd_route_fault fault;
    const char *path = "/api/v1/users/b/merge";
    assert_int_equal(params("POST", path, NULL, "{\"from\":\"a\"}", &out, &fault), HEED_OK);
    assert_string_equal(json_string_value(json_object_get(out, "into")), "b");
    json_decref(out);
    static const char *const bad[] = {
        "{\"from\":1}",
        "{\"from\":[\"a\"]}",
        "{\"from\":{}}",
        "[]",
        "{\"from\":\"a\"",
        "{\"into\":\"c\"}",
        "{}",
        "nul",
        "{\"from\":\"a\\u0000\"}",
        "{\"from\":\"a\",\"from\":\"b\"}",
        "{\"fromm\":\"a\"}",
        "\xff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(params("POST", path, NULL, bad[i], &out, &fault), HEED_USAGE);
    // depth
    hd_str deep;
    hd_str_init(&deep);
    for (int i = 0; i < 100000; i++) hd_str_addc(&deep, '[');
    assert_int_equal(params("POST", path, NULL, hd_str_get(&deep), &out, &fault), HEED_USAGE);
    hd_str_clear(&deep);
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    json_t *out = NULL;
    hd_route_fault fault;
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, true);
        heed_err err = params("GET", "/api/v1/recommend/u1", "n=5&category=a", NULL, &out, &fault);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_null(out);
    }
    json_decref(out);
}

// Every row that HTTP reaches is described, and every path parameter is one of the row's.
static void the_description_holds_every_row(void **state) {
    (void)state;
    hd_str text;
    json_t *document = NULL;
    hd_str_init(&text);
    assert_int_equal(hd_openapi_write(&text), HEED_OK);
    assert_int_equal(hd_json_parse(hd_str_get(&text), text.len, "openapi", &document), HEED_OK);
    const json_t *paths = json_object_get(document, "paths");
    for (size_t i = 0; hd_ops[i]; i++) {
        const hd_op *op = hd_ops[i];
        if (!op->path || op->run_as == HD_RUN_NEVER || op->only == HD_ONLY_CLI) continue;
        const json_t *at = json_object_get(paths, op->path);
        if (!at) fail_msg("%s is not described", op->path);
        for (const char *p = strchr(op->path, '{'); p; p = strchr(p + 1, '{')) {
            char name[64];
            hd_snprintf(name, sizeof name, "%.*s", (int)strcspn(p + 1, "}"), p + 1);
            bool found = false;
            for (size_t k = 0; k < op->n_params; k++) found |= !strcmp(op->params[k].name, name);
            if (!found) fail_msg("%s: '%s' is no parameter of '%s'", op->path, name, op->name);
        }
    }
    json_decref(document);
    hd_str_clear(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_rows),
        cmocka_unit_test(other_methods_are_named),
        cmocka_unit_test(ids_may_hold_anything_but_nothing),
        cmocka_unit_test(queries_are_checked_by_the_row),
        cmocka_unit_test(bodies_have_types),
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(the_description_holds_every_row),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
