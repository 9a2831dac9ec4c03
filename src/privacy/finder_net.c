// SPDX-License-Identifier: Apache-2.0
//
// Addresses of the net: e-mail (RFC 5321's lengths, the unquoted local part), URLs (RFC 3986, as
// far as people paste them), IP addresses (RFC 4291, RFC 6943's strict dotted form).
//
// A host's name alone ("taobao.com") is no finding: it names a company. With a scheme, "www." or a
// path it is, because it may lead to a person's page.
#include "privacy/finder_own.h"

enum { LOCAL_MAX = 64, HOST_MAX = 253, LABEL_MAX = 63, URL_MAX = 2048 };

static bool is_label(uint32_t c) {
    return hd_is_alnum(c) || c == '-';
}

// The end of a host's name of at least two labels that starts at i, the last all letters, or 0.
static size_t host_end(const hd_view *v, size_t i) {
    size_t end = 0;
    for (size_t p = i; p - i <= HOST_MAX;) {
        size_t label = p;
        bool letters = true;
        while (is_label(hd_view_at(v, p)) && p - label <= LABEL_MAX) {
            letters = letters && hd_is_letter(v->c[p]);
            p++;
        }
        size_t n = p - label;
        if (n == 0 || n > LABEL_MAX || v->c[label] == '-' || v->c[p - 1] == '-') return end;
        if (label > i && n >= 2 && letters) end = p;
        if (hd_view_at(v, p) != '.') return end == p ? end : 0;
        p++;
    }
    return 0;
}

// ── E-mail ──

static bool is_local(uint32_t c) {
    return hd_is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' ||
           c == '\'' || (c >= 0xC0 && hd_is_latin(c));
}

hd_match hd_match_email(const hd_view *v, size_t i) {
    if (is_local(hd_view_back(v, i)) && hd_view_back(v, i) != '\'') return hd_no_match;
    size_t p = i;
    while (is_local(hd_view_at(v, p)) && p - i <= LOCAL_MAX) p++;
    if (p == i || p - i > LOCAL_MAX || hd_view_at(v, p) != '@' || v->c[p - 1] == '.')
        return hd_no_match;
    size_t end = host_end(v, p + 1);
    return end ? (hd_match){end, 0.98f} : hd_no_match;
}

// ── URLs ──

// Top-level domains that a host without a scheme must have to count.
static const char *const top_domains[] = {"com", "cn", "net", "org", "io",  "cc",  "me",   "co",
                                          "uk",  "de", "fr",  "jp",  "top", "xyz", "info", NULL};

static bool is_in_url(uint32_t c) {
    return c > ' ' && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '`' && c != '{' &&
           c != '}' && c != '|' && c != '\\' && c != '^' && c != '[' && c != ']';
}

// Punctuation that ends the sentence, not the address.
static size_t trim_url(const hd_view *v, size_t start, size_t end) {
    while (end > start) {
        uint32_t c = v->c[end - 1];
        if (c != '.' && c != ',' && c != ';' && c != ':' && c != '!' && c != '?' && c != '\'' &&
            c != ')' && c != '(' && c != '*')
            break;
        end--;
    }
    return end;
}

static size_t url_end(const hd_view *v, size_t i) {
    size_t p = i;
    while (is_in_url(hd_view_at(v, p)) && p - i < URL_MAX) p++;
    return trim_url(v, i, p);
}

static bool ends_in_top_domain(const hd_view *v, size_t end) {
    size_t label = end;
    while (hd_is_letter(v->c[label - 1])) label--;
    for (const char *const *top = top_domains; *top; top++)
        if (hd_view_word(v, label, *top) == end - label) return true;
    return false;
}

hd_match hd_match_url(const hd_view *v, size_t i) {
    static const char *const schemes[] = {"https://", "http://", "ftp://", NULL};
    if (hd_view_back(v, i) == '@' || hd_view_back(v, i) == '.') return hd_no_match;
    size_t scheme = hd_view_any(v, i, schemes);
    if (scheme) {
        size_t end = url_end(v, i + scheme);
        return end > i + scheme + 2 ? (hd_match){end, 0.99f} : hd_no_match;
    }
    size_t end = host_end(v, i);
    if (!end) return hd_no_match;
    bool has_path = hd_view_at(v, end) == '/' && hd_is_alnum(hd_view_at(v, end + 1));
    if (hd_view_word(v, i, "www.") || (has_path && ends_in_top_domain(v, end))) {
        size_t whole = hd_view_at(v, end) == '/' ? url_end(v, end) : end;
        return (hd_match){whole > end ? whole : end, 0.9f};
    }
    return hd_no_match;
}

// ── IP ──

// The end of a decimal number 0 … 255 without leading zeros, or 0.
static size_t octet_end(const hd_view *v, size_t i, unsigned *value) {
    size_t n = hd_view_digits(v, i, 4);
    if (n == 0 || n > 3 || (n > 1 && v->c[i] == '0')) return 0;
    *value = 0;
    for (size_t k = 0; k < n; k++) *value = *value * 10 + (v->c[i + k] - '0');
    return *value <= 255 ? i + n : 0;
}

static size_t v4_end(const hd_view *v, size_t i, unsigned octets[4]) {
    size_t p = i;
    for (int k = 0; k < 4; k++) {
        if (k && hd_view_at(v, p++) != '.') return 0;
        p = octet_end(v, p, &octets[k]);
        if (!p) return 0;
    }
    return p;
}

static hd_match match_v4(const hd_view *v, size_t i) {
    unsigned octets[4];
    size_t end = v4_end(v, i, octets);
    uint32_t next = hd_view_at(v, end);
    if (!end || hd_is_latin(next) || next == '_') return hd_no_match;
    if (next == '.' && hd_is_digit(hd_view_at(v, end + 1))) return hd_no_match;
    uint32_t before = hd_view_back(v, i);
    if (before == '.' || before == '-' || before == '/') return hd_no_match;
    // Loopback, "any" and masks are nobody's; a version is no address.
    if (octets[0] == 0 || octets[0] == 127 || octets[0] == 255) return hd_no_match;
    if (hd_cue_before(v, i, 8, HD_CUE_NOT_PERSONAL)) return hd_no_match;
    return (hd_match){end, 0.95f};
}

static bool is_hex(uint32_t c) {
    return hd_is_digit(c) || hd_lower(c) - 'a' < 6;
}

typedef struct v6 {
    size_t p;
    unsigned groups, digits; // digits: decimal ones, in all groups
    bool gap;                // "::" was seen
} v6;

// A group of hexadecimal digits, or at the end a dotted v4 address in place of two.
static bool v6_group(const hd_view *v, v6 *a) {
    size_t start = a->p;
    unsigned octets[4];
    size_t dotted = v4_end(v, start, octets);
    if (dotted) {
        a->p = dotted;
        a->groups += 2;
        a->digits++;
        return false;
    }
    while (is_hex(hd_view_at(v, a->p)) && a->p - start < 5) a->digits += hd_is_digit(v->c[a->p++]);
    if (a->p - start < 1 || a->p - start > 4) {
        a->p = start;
        return false;
    }
    a->groups++;
    return true;
}

static hd_match match_v6(const hd_view *v, size_t i) {
    v6 a = {.p = i};
    size_t end = i;
    while (a.groups < 8) {
        if (hd_view_at(v, a.p) == ':' && hd_view_at(v, a.p + 1) == ':') {
            if (a.gap) return hd_no_match;
            a.gap = true;
            a.p += 2;
            end = a.p;
        } else if (a.p > i) {
            if (hd_view_at(v, a.p) != ':') break;
            a.p++;
        }
        unsigned before = a.groups;
        bool more = v6_group(v, &a);
        if (a.groups > before) end = a.p;
        if (!more) break;
    }
    uint32_t next = hd_view_at(v, end);
    if (hd_is_latin(next) || hd_is_digit(next) || next == ':') return hd_no_match;
    if (!(a.gap ? a.groups >= 3 && a.groups <= 7 : a.groups == 8) || !a.digits) return hd_no_match;
    return (hd_match){end, 0.95f};
}

hd_match hd_match_ip(const hd_view *v, size_t i) {
    if (hd_view_back(v, i) == ':' && hd_is_alnum(hd_view_at(v, i))) {
        // Behind a colon an address can start ("IP:10.0.0.1"), but not a part of one.
        if (i >= 2 && i - 2 >= v->floor && is_hex(v->c[i - 2]) && is_hex(v->c[i]) &&
            !hd_cue_before(v, i - 1, 0, ~0u))
            return hd_is_digit(v->c[i]) ? match_v4(v, i) : hd_no_match;
    }
    if (hd_is_digit(hd_view_at(v, i))) {
        hd_match match = match_v4(v, i);
        if (match.end) return match;
    }
    if (!is_hex(hd_view_at(v, i)) && hd_view_at(v, i) != ':') return hd_no_match;
    return match_v6(v, i);
}
