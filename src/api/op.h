// SPDX-License-Identifier: Apache-2.0
//
// An operation: what heed can be asked, by whatever transport. One file with its handler, one row
// in api/list.c. The row drives the command line's parser and help, the man page, shell completion,
// the reference page, and later the HTTP routes and their schema.
#ifndef HD_API_OP_H
#define HD_API_OP_H

#include <jansson.h>

#include "base/settings.h"
#include "base/str.h"
#include "heed/workspace.h"
#include "workspace/stop.h"

typedef enum hd_param_type {
    HD_PARAM_TEXT,
    HD_PARAM_INT,
    HD_PARAM_FLOAT,
    HD_PARAM_BOOL,
    HD_PARAM_CHOICE,
    HD_PARAM_JSON // any JSON value; the handler checks what is in it
} hd_param_type;

// Where an operation or a parameter is offered.
typedef enum hd_only { HD_EVERYWHERE, HD_ONLY_CLI, HD_ONLY_HTTP } hd_only;

typedef struct hd_param {
    const char *name; // snake_case; the flag is --snake-case
    hd_param_type type;
    bool positional;
    bool required;
    bool many;   // may repeat, or hold commas when a CHOICE: an array
    bool file;   // a path: completion offers files
    bool body;   // over HTTP: the whole JSON body is this one (a HD_PARAM_JSON)
    bool upload; // over HTTP: the body's bytes, whatever they are, in a file of that path
    hd_only only;
    bool plain;                 // messages name it as it stands here, not as a flag
    const char *initial;        // NULL: absent
    double min, max;            // for numbers; both 0: no bound
    const char *const *choices; // for CHOICE, fixed; or
    const char *(*choice_at)(
        size_t i);       // for CHOICE, from a list of rows (methods, presets): NULL past the end
    const char *metavar; // what help calls the value ("FILE"); NULL: by type
    const char *schema;  // for JSON: its JSON Schema (2020-12), literal; NULL: anything
    hd_text doc;
} hd_param;

typedef enum hd_scope { HD_SCOPE_READ, HD_SCOPE_WRITE, HD_SCOPE_ADMIN, HD_SCOPE_PERSONAL } hd_scope;

// Where an operation works: anywhere without looking for a workspace; in one if there is one; in
// one only.
typedef enum hd_place { HD_PLACE_NONE, HD_PLACE_ANY, HD_PLACE_WORKSPACE } hd_place;

// How a server runs it. A command line runs all of them at once, in its own process.
typedef enum hd_run_as {
    HD_RUN_READ,  // on a worker's thread, with a reading handle
    HD_RUN_QUICK, // microseconds: on the event loop's own thread, with a reading handle
    HD_RUN_WRITE, // on the workspace's writing thread, with others in one transaction, which is
                  // committed before any of them is answered; does nothing but in the database
    HD_RUN_ALONE, // on the writing thread, with no transaction around it
    HD_RUN_JOB,   // in a process of its own: 202, progress, cancelling
    HD_RUN_NEVER  // not by a server
} hd_run_as;

// Chapters of the help. X(NAME, English, Chinese)
#define HD_CHAPTER_LIST(X)              \
    X(START, "Getting started", "起步") \
    X(DATA, "Data", "数据")             \
    X(MODELS, "Models", "模型")         \
    X(RECIPES, "Recipes", "配方")       \
    X(ANSWERS, "Answers", "结果")       \
    X(CARE, "Workspace", "工作区")      \
    X(SELF, "About heed", "关于 heed")
typedef enum hd_chapter {
#define HD_CHAPTER_ENUM(name, en, zh) HD_CHAPTER_##name,
    HD_CHAPTER_LIST(HD_CHAPTER_ENUM)
#undef HD_CHAPTER_ENUM
        HD_CHAPTERS
} hd_chapter;
hd_text hd_chapter_text(hd_chapter chapter);

// Who asks. On the command line: "cli" with all scopes.
typedef struct hd_caller {
    const char *name; // id of the API key, "cli": never a secret
    unsigned scopes;  // bits: 1 << hd_scope
} hd_caller;

// Lends open workspaces to calls, instead of opening one for each (a server has them open).
typedef struct hd_lender {
    heed_err (*open)(void *ctx, heed_mode mode, heed_workspace **out);
    void (*close)(void *ctx, heed_workspace *ws);
    void *ctx;
} hd_lender;

typedef struct hd_call {
    const char *workspace; // folder; NULL: none was found or named
    json_t *params;        // an object, checked against the row: absent ones are absent
    heed_lang lang;
    hd_caller caller;
    const hd_lender *lender; // NULL: a workspace is opened for the call
    hd_settings *settings;   // every layer is in
    hd_stop *stop;           // may be NULL
    void (*progress)(void *ctx, hd_text what, double share); // share < 0: unknown; may be NULL
    void (*note)(void *ctx, hd_text line); // something the user should read (stderr); may be NULL
    // Serves the workspace until asked to end; NULL: this program can't.
    heed_err (*serve)(struct hd_call *call, json_t **result);
    // The purpose of what it reads of persons, where nobody else counts that; NULL: it is counted.
    const char *reads;
    bool reads_many;
    bool terminal; // a person reads what note says
    // Asks a person for a yes; false also where nobody can answer. NULL: nobody may be asked.
    bool (*confirm)(void *ctx, hd_text question);
    // Asks a person for a passphrase, for a fresh one twice; HEED_NOT_FOUND where nobody can
    // answer. NULL: nobody may be asked.
    heed_err (*secret)(void *ctx, bool fresh, hd_str *out);
    void *ctx;
    // Set by the handler: what is metered of it besides the request itself.
    int64_t used_events, used_tokens;
    // Set by the handler: the workspace's settings are others now, so handles are opened anew.
    bool settings_changed;
} hd_call;

typedef struct hd_op {
    const char *name; // "users merge": words of the command, snake_case words of the route
    hd_chapter chapter;
    hd_only only;
    hd_text doc;                 // one sentence
    hd_text detail;              // paragraphs for the man page
    const char *const *examples; // command lines, NULL-terminated; NULL: none
    const char *method, *path;   // "GET", "/api/v1/recommend/{user}"; NULL: not for HTTP
    hd_scope scope;
    // Over HTTP, how senders made for other products show their key: as the user name of Basic
    // authentication, as "api_key" in the body. Parameters of theirs that mean nothing here pass.
    bool key_basic, key_in_body;
    bool posts_events; // refused once a key's quota of events is used up
    hd_place place;
    hd_run_as run_as;
    int status; // of success over HTTP; 0: 200 (a job: 202)
    // What an operation that reads reads of persons, by its purpose: counted in the audit log;
    // NULL: nothing, or it has an entry of its own. many: of many persons at once, a bulk read.
    const char *purpose;
    bool many;
    const char *schema;     // JSON Schema (2020-12) of the result, literal; NULL: an object
    const hd_param *params; // those of HTTP alone stand last
    size_t n_params;
    const char *result_doc; // docs/api/<this>.md holds the shape; NULL: the result is text alone
    // *result: a new reference. It may also be given with a failure (what was found before it): it
    // is shown, then the error.
    heed_err (*run)(hd_call *call, json_t **result);
    // Over HTTP, in place of run: what is new since `seen` (0: nothing was seen), as server-sent
    // events appended to out; asked again now and then until *ended. NULL: not a stream.
    heed_err (*stream)(hd_call *call, int64_t *seen, bool *ended, hd_str *out);
    heed_err (*text)(const json_t *result, heed_lang lang, size_t width,
                     hd_str *out); // for a person's eyes; width: columns
    // On the command line, after the result was printed. NULL: nothing.
    heed_err (*after)(hd_call *call, const json_t *result);
    // The next command to type, NULL: none. Formatted into out; shown on a terminal.
    heed_err (*next)(const json_t *result, heed_lang lang, hd_str *out);
} hd_op;

extern const hd_op *const hd_ops[]; // NULL-terminated, in the order of help
const hd_op *hd_op_find(const char *name);
// Whether it reads persons' rows and writes nothing, so that somebody has to count it.
bool hd_op_reads(const hd_op *op);

#endif
