// SPDX-License-Identifier: Apache-2.0
//
// What tells the limiter's clients apart. An IPv6 customer holds a /64 or more, so its whole /64 is
// one client; an IPv4 address written as IPv6 (::ffff:192.0.2.7) is the IPv4 address.
#include <arpa/inet.h>

#include "access/limiter.h"

enum { KIND_OTHER, KIND_KEY, KIND_V4, KIND_V6 };

hd_who hd_who_key(uint32_t tenant, const char id[HD_KEY_ID + 1]) {
    hd_who who = {{KIND_KEY}};
    memcpy(who.bytes + 1, &tenant, sizeof tenant);
    memcpy(who.bytes + 1 + sizeof tenant, id, HD_KEY_ID);
    return who;
}

hd_who hd_who_address(const char *address) {
    static const uint8_t v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};
    hd_who who = {{KIND_OTHER}};
    uint8_t bytes[16];
    if (!address) return who;
    if (inet_pton(AF_INET, address, bytes) == 1) {
        who.bytes[0] = KIND_V4;
        memcpy(who.bytes + 1, bytes, 4);
    } else if (inet_pton(AF_INET6, address, bytes) == 1) {
        bool v4 = memcmp(bytes, v4_in_v6, sizeof v4_in_v6) == 0;
        who.bytes[0] = v4 ? KIND_V4 : KIND_V6;
        memcpy(who.bytes + 1, v4 ? bytes + 12 : bytes, v4 ? 4 : 8);
    }
    return who;
}
