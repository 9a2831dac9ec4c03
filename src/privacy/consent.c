// SPDX-License-Identifier: Apache-2.0
//
// consents: a row for an id and a purpose with the last word, 1 in, 0 out; the restriction is the
// purpose '*', whose row says 0 or is missing. consent_history: every word ever, with its time and
// source; a trigger keeps rows from being changed, only erasing a person removes them.
//
//     in(person, purpose) = no 0 among (purpose, '*') of the person's ids
//                           and (basis is interest, or some 1 among them)
//
// One person is asked about by one prepared statement, a range of the primary key. All persons:
// the words of a purpose are read once, along an index, into a map of verdicts; where nobody said
// anything that is one look into the index, and nobody is looked up.
//
// Rejected: a column in users for each purpose (another purpose would be a migration, and joined
// ids would have to be folded in every query), and a cache of verdicts between transactions (it
// would have to be right about other processes).
#include "privacy/consent.h"

#include "privacy/own.h"

#define EVERYTHING "*"

static const char schema_1[] =
    "CREATE TABLE consents("
    "  user_key INTEGER NOT NULL REFERENCES users(key), purpose TEXT NOT NULL,"
    "  state INTEGER NOT NULL CHECK (state IN (0, 1)), time INTEGER NOT NULL, source TEXT NOT NULL,"
    "  PRIMARY KEY (user_key, purpose)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX consents_by_purpose ON consents(purpose, state, user_key);"
    "CREATE TABLE consent_history("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, user_key INTEGER NOT NULL REFERENCES users(key),"
    "  purpose TEXT NOT NULL, state INTEGER NOT NULL, time INTEGER NOT NULL, source TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX consent_history_by_user ON consent_history(user_key);"
    // Counts the words said and the persons erased.
    "CREATE TABLE consent_mark(one INTEGER PRIMARY KEY CHECK (one = 1), mark INTEGER NOT NULL)"
    " STRICT;"
    "INSERT INTO consent_mark VALUES (1, 0);"
    "CREATE TRIGGER consent_history_kept BEFORE UPDATE ON consent_history BEGIN"
    "  SELECT raise(ABORT, 'the history of consents is never changed'); END;";

const hd_migration hd_consent_migrations[] = {
    {.component = "consent", .version = 1, .sql = schema_1},
};
const size_t hd_consent_n_migrations = sizeof hd_consent_migrations / sizeof *hd_consent_migrations;

// ── Purposes ──

bool hd_purpose_gated(hd_purpose purpose) {
    return purpose != HD_PURPOSE_RIGHTS && purpose != HD_PURPOSE_CARE;
}

heed_err hd_purpose_parse(const char *name, hd_purpose *out) {
    for (int p = 0; p < HD_PURPOSES; p++) {
        if (!hd_purpose_gated((hd_purpose)p)) continue;
        *out = (hd_purpose)p;
        if (strcmp(hd_purpose_name(*out), name) == 0) return HEED_OK;
    }
    return HD_FAIL(HEED_INPUT,
                   "there is no purpose '%s': use recommend, profile, need, assist, train, support "
                   "or experiment",
                   "没有用途“%s”：可用的有 recommend、profile、need、assist、train、support、"
                   "experiment",
                   name);
}

void hd_door_basis_set(hd_door *door, hd_purpose purpose, hd_basis basis) {
    door->basis[purpose] = basis;
}

// ── One person ──

typedef struct words {
    bool any, refused, restricted;
} words;

// Few persons said anything, and those only a few words: their range of the key is read whole,
// which for most is one look into the index ("+" keeps purposes from being looked up one by one).
#define WORDS                                                                           \
    "SELECT state, purpose = '*' FROM consents WHERE (+purpose = ?2 OR +purpose = '*')" \
    " AND user_key "
static const char words_of_id[] = WORDS "= ?1";
static const char words_of_ids[] = WORDS "IN (SELECT ?1 UNION ALL SELECT key FROM users "
                                         "WHERE person = ?1)";

static heed_err gather_words(hd_query *q, words *out) {
    bool row;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        out->any = true;
        out->refused |= hd_query_i64(q, 0) == 0;
        out->restricted |= hd_query_i64(q, 1) != 0;
    }
}

static heed_err read_words(hd_door *door, hd_purpose purpose, int64_t person, bool joined,
                           words *out) {
    hd_query *q;
    *out = (words){0};
    HD_TRY(hd_query_open(door->store, joined ? words_of_ids : words_of_id, &q));
    hd_query_bind_i64(q, 1, person);
    hd_query_bind_text(q, 2, hd_slice_of(hd_purpose_name(purpose)));
    heed_err err = gather_words(q, out);
    hd_query_close(q);
    return err;
}

static bool lets(const hd_door *door, hd_purpose purpose, const words *w) {
    return !w->refused && (w->any || door->basis[purpose] == HD_BASIS_INTEREST);
}

static heed_err deny(const hd_door *door, hd_purpose purpose, const words *w) {
    const char *name = hd_purpose_name(purpose);
    if (w->restricted) {
        return HD_FAIL(HEED_DENIED,
                       "this user's data is restricted, so it does not serve the purpose '%s'; "
                       "'heed users restrict ID off' lifts that",
                       "该用户的数据已被限制处理，不能用于“%s”；可用“heed users restrict ID off”"
                       "解除",
                       name);
    }
    if (w->refused && door->basis[purpose] == HD_BASIS_INTEREST) {
        return HD_FAIL(HEED_DENIED,
                       "this user objected to the purpose '%s'; 'heed users consent ID --purpose "
                       "%s on' takes the objection back",
                       "该用户反对将数据用于“%s”；可用“heed users consent ID --purpose %s on”"
                       "撤回反对",
                       name, name);
    }
    return HD_FAIL(HEED_DENIED,
                   "this user has not consented to the purpose '%s', whose legal basis is consent; "
                   "'heed users consent ID --purpose %s on' notes a consent",
                   "该用户没有同意将数据用于“%s”，而该用途以同意为法律依据；可用“heed users "
                   "consent ID --purpose %s on”登记同意",
                   name, name);
}

heed_err hd_consent_check(hd_door *door, hd_purpose purpose, int64_t person, bool joined) {
    words w;
    if (!hd_purpose_gated(purpose)) return HEED_OK;
    HD_TRY(read_words(door, purpose, person, joined, &w));
    return lets(door, purpose, &w) ? HEED_OK : deny(door, purpose, &w);
}

heed_err hd_users_person_for(hd_door *door, hd_purpose purpose, int64_t key, int64_t *person,
                             bool *joined) {
    HD_TRY(hd_users_person(door, key, person, joined));
    return hd_consent_check(door, purpose, *person, *joined);
}

heed_err hd_door_allows(hd_door *door, int64_t user_key, hd_purpose purpose, bool *allows,
                        bool *restricted) {
    words w;
    int64_t person;
    bool joined;
    HD_TRY(hd_users_person(door, user_key, &person, &joined));
    HD_TRY(read_words(door, purpose, person, joined, &w));
    *allows = !hd_purpose_gated(purpose) || lets(door, purpose, &w);
    if (restricted) *restricted = w.restricted;
    return HEED_OK;
}

// ── All persons ──

static heed_err note_verdicts(hd_query *q, hd_gate *gate) {
    bool row;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        HD_TRY(hd_imap_put(&gate->verdicts, (uint64_t)hd_query_i64(q, 0),
                           (uint64_t)hd_query_i64(q, 1)));
    }
}

static heed_err read_verdicts(hd_door *door, hd_purpose purpose, hd_gate *gate) {
    hd_query *q;
    // By falling state: what stands in the map at the end is the objection, if there is one.
    HD_TRY(hd_query_open(door->store,
                         "SELECT coalesce(u.person, u.key), c.state FROM consents AS c"
                         " JOIN users AS u ON u.key = c.user_key WHERE c.purpose IN (?1, '*')"
                         " AND c.state <= ?2 ORDER BY c.state DESC",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(hd_purpose_name(purpose)));
    hd_query_bind_i64(q, 2, gate->otherwise ? 0 : 1);
    heed_err err = note_verdicts(q, gate);
    hd_query_close(q);
    return err;
}

heed_err hd_gate_open(hd_door *door, hd_purpose purpose, hd_gate *gate) {
    hd_imap_init(&gate->verdicts);
    gate->otherwise = !hd_purpose_gated(purpose) || door->basis[purpose] == HD_BASIS_INTEREST;
    heed_err err = hd_purpose_gated(purpose) ? read_verdicts(door, purpose, gate) : HEED_OK;
    if (err != HEED_OK) hd_gate_close(gate);
    return err;
}

bool hd_gate_lets(const hd_gate *gate, int64_t person) {
    uint64_t verdict;
    if (person == 0 || hd_gate_lets_all(gate)) return true;
    return hd_imap_get(&gate->verdicts, (uint64_t)person, &verdict) ? verdict != 0
                                                                    : gate->otherwise;
}

bool hd_gate_lets_all(const hd_gate *gate) {
    return gate->otherwise && gate->verdicts.count == 0;
}

void hd_gate_close(hd_gate *gate) {
    hd_imap_clear(&gate->verdicts);
}

// ── Saying a word ──

heed_err hd_consent_mark_raise(hd_door *door) {
    return hd_store_exec(door->store, "UPDATE consent_mark SET mark = mark + 1");
}

typedef struct word {
    int64_t user, person;
    const char *purpose;
    bool on;
    const char *source;
    hd_time time;
} word;

static void bind_word(hd_query *q, int64_t key, const word *w) {
    hd_query_bind_i64(q, 1, key);
    hd_query_bind_text(q, 2, hd_slice_of(w->purpose));
    hd_query_bind_i64(q, 3, w->on);
    hd_query_bind_time(q, 4, w->time);
    hd_query_bind_text(q, 5, hd_slice_of(w->source));
}

static heed_err run_word(hd_door *door, const char *sql, int64_t key, const word *w) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, sql, &q));
    bind_word(q, key, w);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

heed_err hd_consent_joined(hd_door *door) {
    return hd_run_keys(door,
                       "UPDATE consent_mark SET mark = mark + 1"
                       " WHERE EXISTS (SELECT 1 FROM consents)",
                       NULL, 0);
}

// A restriction is lifted by the absence of its row.
static heed_err lift(hd_door *door, int64_t person) {
    return HD_RUN(door,
                  "DELETE FROM consents WHERE purpose = '*' AND user_key IN"
                  " (SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)",
                  person);
}

static heed_err set_word(hd_door *door, const word *w) {
    return run_word(door,
                    "INSERT INTO consents(user_key, purpose, state, time, source)"
                    " SELECT key, ?2, ?3, ?4, ?5 FROM users WHERE key = ?1 OR person = ?1"
                    " ON CONFLICT DO UPDATE SET state = excluded.state, time = excluded.time,"
                    " source = excluded.source WHERE state <> excluded.state",
                    w->person, w);
}

static heed_err write_word(hd_door *door, const word *w, bool *changed) {
    bool lifts = w->on && strcmp(w->purpose, EVERYTHING) == 0;
    HD_TRY(lifts ? lift(door, w->person) : set_word(door, w));
    *changed = hd_store_changes(door->store) > 0;
    HD_TRY(hd_consent_mark_raise(door));
    return run_word(door,
                    "INSERT INTO consent_history(user_key, purpose, state, time, source)"
                    " VALUES (?1, ?2, ?3, ?4, ?5)",
                    w->user, w);
}

static heed_err say(hd_door *door, word *w, bool *changed) {
    bool joined, any;
    HD_TRY(hd_store_begin(door->store));
    heed_err err = hd_users_person(door, w->user, &w->person, &joined);
    w->time = hd_time_now();
    if (err == HEED_OK) err = write_word(door, w, changed ? changed : &any);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

heed_err hd_door_consent(hd_door *door, int64_t user_key, hd_purpose purpose, bool on,
                         const char *source, bool *changed) {
    if (!hd_purpose_gated(purpose)) {
        return HD_FAIL(HEED_INPUT, "nobody can be left out of the purpose '%s'",
                       "任何人都不能退出用途“%s”", hd_purpose_name(purpose));
    }
    word w = {.user = user_key, .purpose = hd_purpose_name(purpose), .on = on, .source = source};
    return say(door, &w, changed);
}

heed_err hd_door_restrict(hd_door *door, int64_t user_key, bool on, const char *source,
                          bool *changed) {
    word w = {.user = user_key, .purpose = EVERYTHING, .on = !on, .source = source};
    return say(door, &w, changed);
}

// ── What was said ──

static heed_err keep_text(hd_slice text, hd_arena *arena, const char **out) {
    *out = hd_arena_strndup(arena, text.p ? text.p : "", text.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static heed_err list_words(hd_query *q, hd_arena *arena, hd_consent **out, size_t *n) {
    size_t cap = 0;
    bool row;
    hd_consent *list = NULL;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) break;
        if (*n == cap) {
            hd_consent *more = hd_arena_alloc(arena, (cap = 2 * cap + 8) * sizeof *more);
            if (!more) return HD_FAIL_MEMORY(cap * sizeof *more);
            if (*n > 0) memcpy(more, list, *n * sizeof *more);
            list = more;
        }
        list[*n] = (hd_consent){.on = hd_query_i64(q, 1) != 0, .time = hd_query_time(q, 2)};
        HD_TRY(keep_text(hd_query_text(q, 0), arena, &list[*n].purpose));
        HD_TRY(keep_text(hd_query_text(q, 3), arena, &list[*n].source));
        ++*n;
    }
    *out = list;
    return HEED_OK;
}

heed_err hd_door_consents(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                          hd_consent **out, size_t *n) {
    int64_t person;
    bool joined;
    hd_query *q;
    *out = NULL;
    *n = 0;
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    HD_TRY(hd_users_person_for(door, purpose, user_key, &person, &joined));
    HD_TRY(hd_query_open(door->store,
                         "SELECT purpose, state, time, source FROM consent_history WHERE user_key"
                         " IN (SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)"
                         " ORDER BY key",
                         &q));
    hd_query_bind_i64(q, 1, person);
    heed_err err = list_words(q, arena, out, n);
    hd_query_close(q);
    return err;
}

heed_err hd_door_consent_mark(hd_door *door, int64_t *mark) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, "SELECT mark FROM consent_mark", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *mark = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}
