// SPDX-License-Identifier: Apache-2.0
//
// One walk over the rows. Where a row has a template "{user}", the parameter of that name stands in
// the path; of the rest, those of a reading method stand in the query, those of a writing one are
// members of the body (the server takes them from the query as well; one way is enough to
// describe).
#include "server/openapi.h"

#include <math.h>

#include "api/params.h"
#include "base/json.h"
#include "base/mem.h"
#include "server/problem.h"
#include "server/route.h"

// ── Parts ──

static heed_err parse_schema(const char *text, json_t **out) {
    if (!text) return hd_json_pack(out, "{s:s}", "type", "object");
    heed_err err = hd_json_parse(text, strlen(text), "schema", out);
    if (err == HEED_INPUT) err = hd_error_prefix(HEED_INTERNAL, "a row's schema", "操作的 schema");
    return err;
}

static heed_err choice_schema(const hd_param *param, json_t **out) {
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    const char *choice;
    for (size_t i = 0; err == HEED_OK && (choice = hd_param_choice(param, i)) != NULL; i++)
        err = hd_json_append(list, json_string(choice));
    if (err == HEED_OK) err = hd_json_pack(out, "{s:s, s:O}", "type", "string", "enum", list);
    json_decref(list);
    return err;
}

static heed_err number_schema(const hd_param *param, const char *type, json_t **out) {
    HD_TRY(hd_json_pack(out, "{s:s}", "type", type));
    if (param->min == 0 && param->max == 0) return HEED_OK;
    bool whole = param->type == HD_PARAM_INT;
    HD_TRY(hd_json_set(*out, "minimum",
                       whole ? json_integer((json_int_t)param->min) : json_real(param->min)));
    return hd_json_set(*out, "maximum",
                       whole ? json_integer((json_int_t)param->max) : json_real(param->max));
}

static heed_err one_schema(const hd_param *param, json_t **out) {
    if (param->type == HD_PARAM_JSON)
        return param->schema ? parse_schema(param->schema, out) : hd_json_pack(out, "{}");
    if (param->type == HD_PARAM_CHOICE) return choice_schema(param, out);
    if (param->type == HD_PARAM_INT) return number_schema(param, "integer", out);
    if (param->type == HD_PARAM_FLOAT) return number_schema(param, "number", out);
    if (param->type == HD_PARAM_BOOL) return hd_json_pack(out, "{s:s}", "type", "boolean");
    return hd_json_pack(out, "{s:s, s:s}", "type", "string", "pattern", "^[^\\u0000]*$");
}

static heed_err param_schema(const hd_param *param, json_t **out) {
    json_t *one = NULL;
    heed_err err = one_schema(param, &one);
    if (err == HEED_OK && param->many) {
        err = hd_json_pack(out, "{s:s, s:O}", "type", "array", "items", one);
        json_decref(one);
        return err;
    }
    if (err != HEED_OK) {
        json_decref(one);
        return err;
    }
    *out = one;
    return HEED_OK;
}

static bool in_path(const hd_op *op, const hd_param *param) {
    char segment[80];
    hd_snprintf(segment, sizeof segment, "{%s}", param->name);
    return strstr(op->path, segment) != NULL;
}

static bool reads(const hd_op *op) {
    return strcmp(op->method, "GET") == 0 || strcmp(op->method, "DELETE") == 0;
}

static bool offered(const hd_param *param) {
    return param->only != HD_ONLY_CLI && !param->body && !param->upload;
}

// Beside a body that is taken whole, parameters stand in the query.
static bool in_query(const hd_op *op, const hd_param *param) {
    if (in_path(op, param)) return false;
    return reads(op) || hd_route_body_param(op) || hd_route_upload_param(op);
}

// ── An operation ──

static heed_err add_parameter(json_t *list, const hd_op *op, const hd_param *param) {
    json_t *schema = NULL;
    json_t *entry = NULL;
    bool path = in_path(op, param);
    HD_TRY(param_schema(param, &schema));
    if (path && json_object_get(schema, "pattern")) {
        heed_err set = hd_json_set(schema, "minLength", json_integer(1));
        if (set != HEED_OK) {
            json_decref(schema);
            return set;
        }
    }
    heed_err err = hd_json_pack(&entry, "{s:s, s:s, s:b, s:s, s:O}", "name", param->name, "in",
                                path ? "path" : "query", "required", path || param->required,
                                "description", param->doc.en, "schema", schema);
    json_decref(schema);
    HD_TRY(err);
    return hd_json_append(list, entry);
}

// A member of a body may be null: as if it weren't there.
static heed_err member_schema(const hd_param *param, json_t **out) {
    if (param->required || param->type == HD_PARAM_JSON) return param_schema(param, out);
    json_t *schema = NULL;
    HD_TRY(param_schema(param, &schema));
    heed_err err = hd_json_pack(out, "{s:[O, {s:s}]}", "anyOf", schema, "type", "null");
    json_decref(schema);
    return err;
}

static heed_err members_schema(const hd_op *op, json_t **out, bool *any) {
    json_t *properties = json_object();
    json_t *required = json_array();
    heed_err err = properties && required ? HEED_OK : HD_FAIL_MEMORY(0);
    *any = false;
    for (size_t i = 0; err == HEED_OK && i < op->n_params; i++) {
        const hd_param *param = &op->params[i];
        if (!offered(param) || in_path(op, param)) continue;
        *any = true;
        json_t *schema = NULL;
        err = member_schema(param, &schema);
        if (err == HEED_OK) err = hd_json_set(schema, "description", json_string(param->doc.en));
        if (err == HEED_OK) {
            err = hd_json_set(properties, param->name, schema);
        } else {
            json_decref(schema);
        }
        if (err == HEED_OK && param->required)
            err = hd_json_append(required, json_string(param->name));
    }
    if (err == HEED_OK)
        err = hd_json_pack(out, "{s:s, s:O, s:O, s:b}", "type", "object", "properties", properties,
                           "required", required, "additionalProperties", 0);
    json_decref(properties);
    json_decref(required);
    return err;
}

static heed_err set_body(json_t *entry, const char *type, json_t *schema, bool required) {
    json_t *body = NULL;
    heed_err err = hd_json_pack(&body, "{s:b, s:{s:{s:O}}}", "required", required, "content", type,
                                "schema", schema);
    return err == HEED_OK ? hd_json_set(entry, "requestBody", body) : err;
}

static bool any_required(const json_t *schema) {
    return json_array_size(json_object_get(schema, "required")) > 0;
}

static heed_err add_body(const hd_op *op, json_t *entry) {
    const hd_param *whole = hd_route_body_param(op);
    const hd_param *upload = hd_route_upload_param(op);
    if (!whole && !upload && reads(op)) return HEED_OK;
    json_t *schema = NULL;
    bool any = true;
    bool required = true;
    if (upload)
        HD_TRY(hd_json_pack(&schema, "{}"));
    else if (whole)
        HD_TRY(param_schema(whole, &schema));
    else
        HD_TRY(members_schema(op, &schema, &any));
    if (whole) required = whole->required;
    if (!whole && !upload) required = any_required(schema);
    heed_err err = any ? set_body(entry, upload ? "application/octet-stream" : "application/json",
                                  schema, required)
                       : HEED_OK;
    json_decref(schema);
    return err;
}

static int status_of(const hd_op *op) {
    if (op->run_as == HD_RUN_JOB) return 202;
    return op->status ? op->status : 200;
}

static heed_err add_responses(const hd_op *op, json_t *entry) {
    char status[8];
    hd_snprintf(status, sizeof status, "%d", status_of(op));
    json_t *schema = NULL;
    json_t *responses = NULL;
    if (op->stream)
        HD_TRY(hd_json_pack(&schema, "{}"));
    else if (op->run_as == HD_RUN_JOB)
        HD_TRY(hd_json_pack(&schema, "{s:s}", "$ref", "#/components/schemas/Job"));
    else
        HD_TRY(parse_schema(op->schema, &schema));
    heed_err err =
        hd_json_pack(&responses, "{s:{s:s, s:{s:{s:O}}}, s:{s:s}}", status, "description",
                     op->run_as == HD_RUN_JOB ? "a job was made" : "done", "content",
                     op->stream ? "text/event-stream" : "application/json", "schema", schema,
                     "default", "$ref", "#/components/responses/Problem");
    json_decref(schema);
    return err == HEED_OK ? hd_json_set(entry, "responses", responses) : err;
}

static heed_err operation_id(const hd_op *op, json_t *entry) {
    char id[64];
    hd_snprintf(id, sizeof id, "%s", op->name);
    for (char *p = id; *p; p++)
        if (*p == ' ' || *p == '-') *p = '_';
    return hd_json_set(entry, "operationId", json_string(id));
}

static heed_err fill_operation(const hd_op *op, json_t *entry) {
    json_t *list = json_array();
    heed_err err = list ? operation_id(op, entry) : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < op->n_params; i++)
        if (offered(&op->params[i]) &&
            (in_path(op, &op->params[i]) || in_query(op, &op->params[i])))
            err = add_parameter(list, op, &op->params[i]);
    if (err == HEED_OK && json_array_size(list) > 0) {
        err = hd_json_set(entry, "parameters", list);
    } else {
        json_decref(list);
    }
    HD_TRY(err);
    HD_TRY(add_body(op, entry));
    HD_TRY(add_responses(op, entry));
    static const char *const scopes[] = {"read", "write", "admin", "personal"};
    return hd_json_set(entry, "x-heed-scope", json_string(scopes[op->scope]));
}

static heed_err add_operation(json_t *paths, const hd_op *op) {
    json_t *entry = NULL;
    HD_TRY(hd_json_pack(&entry, "{s:s, s:[s]}", "summary", op->doc.en, "tags",
                        hd_chapter_text(op->chapter).en));
    heed_err err =
        op->detail.en ? hd_json_set(entry, "description", json_string(op->detail.en)) : HEED_OK;
    if (err == HEED_OK) err = fill_operation(op, entry);
    char method[16];
    hd_snprintf(method, sizeof method, "%s", op->method);
    for (char *p = method; *p; p++) *p = (char)(*p | 32);
    json_t *at = json_object_get(paths, op->path);
    if (err == HEED_OK && !at) {
        err = hd_json_set(paths, op->path, json_object());
        at = json_object_get(paths, op->path);
    }
    if (err != HEED_OK) {
        json_decref(entry);
        return err;
    }
    return hd_json_set(at, method, entry);
}

// ── The document ──

static const char components[] =
    "{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":"
    "\"an API key: heed_<id>_<secret>\"}},"
    "\"responses\":{\"Problem\":{\"description\":\"what was wrong (RFC 9457)\",\"content\":{"
    "\"" HD_PROBLEM_TYPE "\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
    "\"schemas\":{\"Problem\":{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\","
    "\"detail\",\"code\"],\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":"
    "\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},\"code\":{"
    "\"type\":\"string\"},\"request_id\":{\"type\":\"string\"},\"hint\":{\"type\":\"string\"},"
    "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"pointer\","
    "\"detail\"],\"properties\":{\"pointer\":{\"type\":\"string\"},\"detail\":{\"type\":"
    "\"string\"}}}}}},"
    "\"Job\":{\"type\":\"object\",\"required\":[\"id\",\"operation\",\"state\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"operation\":{\"type\":\"string\"},\"state\":{\"enum\":["
    "\"queued\",\"running\",\"done\",\"failed\",\"cancelled\"]}}}}}";

heed_err hd_openapi_write(hd_str *out) {
    json_t *paths = json_object();
    json_t *parts = NULL;
    json_t *document = NULL;
    heed_err err = paths ? parse_schema(components, &parts) : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && hd_ops[i]; i++) {
        const hd_op *op = hd_ops[i];
        if (op->path && op->run_as != HD_RUN_NEVER && op->only != HD_ONLY_CLI)
            err = add_operation(paths, op);
    }
    if (err == HEED_OK)
        err = hd_json_pack(&document, "{s:s, s:{s:s, s:s, s:s}, s:[{s:[]}], s:O, s:O}", "openapi",
                           "3.1.0", "info", "title", "heed", "version", heed_version(),
                           "description", "What users do and say, turned into what they need next.",
                           "security", "key", "paths", paths, "components", parts);
    if (err == HEED_OK) err = hd_json_dump(document, false, out);
    json_decref(document);
    json_decref(parts);
    json_decref(paths);
    return err;
}
