// SPDX-License-Identifier: Apache-2.0
//
// What persons said about the purposes their data may serve. Each purpose has a legal basis: by
// `legitimate interest` a person is in unless they objected, by `consent` they are out until they
// gave it. A restricted person (GDPR art. 18) is out of every purpose. The rights of persons and
// the care of the data as a whole are never gated.
//
// The door asks here on every read: of one person it is HEED_DENIED, of all persons whoever is out
// is left out, as if they had never been there.
//
// A word holds for the person: it is noted with each id that the person has at that time. When ids
// with different words are joined, an objection on any of them counts, and so does a consent on any
// where nobody objected. Taking the join back leaves each id with what was said.
#ifndef HD_PRIVACY_CONSENT_H
#define HD_PRIVACY_CONSENT_H

#include "privacy/door.h"

extern const hd_migration hd_consent_migrations[];
extern const size_t hd_consent_n_migrations;

typedef enum hd_basis { HD_BASIS_INTEREST, HD_BASIS_CONSENT } hd_basis;

// Whether persons have a say in the purpose: all but the rights and care.
bool hd_purpose_gated(hd_purpose purpose);
// The purpose of a name, among those that persons have a say in; HEED_INPUT: there is none.
heed_err hd_purpose_parse(const char *name, hd_purpose *out) HEED_CHECK;
// Until told otherwise every basis is HD_BASIS_INTEREST.
void hd_door_basis_set(hd_door *door, hd_purpose purpose, hd_basis basis);

// Notes that a person is in or out; source: who says so ("cli", a key's id). HEED_NOT_FOUND: no
// such user; HEED_INPUT: a purpose that nobody can be out of. *changed (may be NULL): the word is
// another one than before. A word said again is noted again.
heed_err hd_door_consent(hd_door *door, int64_t user_key, hd_purpose purpose, bool on,
                         const char *source, bool *changed) HEED_CHECK;
// The same for the restriction of everything.
heed_err hd_door_restrict(hd_door *door, int64_t user_key, bool on, const char *source,
                          bool *changed) HEED_CHECK;

typedef struct hd_consent {
    const char *purpose; // a name; "*": the restriction
    bool on;             // in; of the restriction: lifted
    hd_time time;
    const char *source;
} hd_consent;
// All that a person ever said, oldest first, in the arena. For HD_PURPOSE_RIGHTS.
heed_err hd_door_consents(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                          hd_consent **out, size_t *n) HEED_CHECK;
// Whether the person is in, by basis and word. *restricted may be NULL.
heed_err hd_door_allows(hd_door *door, int64_t user_key, hd_purpose purpose, bool *allows,
                        bool *restricted) HEED_CHECK;
// A number that grows with every word said: what was read of all persons before may hold somebody
// who is out now.
heed_err hd_door_consent_mark(hd_door *door, int64_t *mark) HEED_CHECK;

#endif
