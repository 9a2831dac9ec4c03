// SPDX-License-Identifier: Apache-2.0
//
// A table of words, looked through in order: a file has a handful of types, and the importer keeps
// the last ones at hand. Names are compared folded and without blanks, dashes and underscores.
#include "prepare/read/event_type.h"

#include "prepare/read/fold.h"

typedef struct vocabulary_row {
    const char *word;
    const char *names; // folded, separated by spaces
} vocabulary_row;

static const vocabulary_row vocabulary[] = {
    {"view",
     " view views viewed pageview productview productviewed itemview viewitem viewproduct "
     "viewcontent detail detailview pv browse read watch play listen visit 浏览 查看 访问 浏览商品 阅读 "
     "观看 播放 "},
    {"click", " click clicked clicks clickthrough productclicked selectitem tap 点击 "},
    {"impression", " impression impressions exposure show shown viewitemlist 曝光 展示 "},
    {"search", " search searched productssearched sitesearch query 搜索 检索 "},
    {"cart",
     " cart addtocart addcart addedtocart cartadd productadded basket addtobasket 加购 加入购物车 加购物车 "
     "加车 "},
    {"uncart",
     " uncart removefromcart removedfromcart cartremove productremoved 移出购物车 删除购物车 移除购物车 "},
    {"favorite",
     " favorite favourite favorited favourited fav wishlist addtowishlist wish bookmark save collect "
     "productaddedtowishlist 收藏 加入收藏 收藏商品 "},
    {"checkout", " checkout begincheckout initiatecheckout checkoutstarted 结算 去结算 "},
    {"purchase",
     " purchase purchased purchases buy bought order ordered orders transaction orderplaced "
     "ordercompleted pay paid payment sale checkoutcompleted 购买 下单 支付 付款 成交 购买商品 订单 "},
    {"return", " return returned returns refund refunded orderrefunded 退货 退款 "},
    {"cancel", " cancel cancelled canceled ordercancelled ordercanceled 取消 取消订单 "},
    {"rating", " rating rate rated ratings score 评分 打分 "},
    {"review", " review reviewed comment commented productreviewed 评论 评价 "},
    {"like", " like liked upvote thumbsup star starred 点赞 喜欢 赞 "},
    {"dislike", " dislike disliked downvote thumbsdown notinterested 点踩 踩 不喜欢 不感兴趣 "},
    {"share", " share shared productshared 分享 转发 "},
    {"signup", " signup signedup register registered registration 注册 "},
    {"login", " login loggedin signin signedin 登录 登陆 "},
};

const char *hd_event_word(const char *key) {
    size_t n = strlen(key);
    if (n == 0) return NULL;
    for (size_t i = 0; i < sizeof vocabulary / sizeof vocabulary[0]; i++) {
        const char *names = vocabulary[i].names;
        for (const char *p = names; (p = strstr(p, key)) != NULL; p++) {
            if (p[-1] == ' ' && p[n] == ' ') return vocabulary[i].word;
        }
    }
    return NULL;
}

// In lower case, without the separators being lost.
static heed_err lower(hd_slice name, hd_arena *arena, hd_slice *out) {
    hd_str s;
    hd_str_init(&s);
    heed_err err = hd_unicode_fold(name.p, name.n, &s);
    if (err == HEED_OK) err = hd_str_check(&s);
    if (err == HEED_OK) {
        char *copy = hd_arena_strndup(arena, hd_str_get(&s), s.len);
        *out = (hd_slice){copy, s.len};
        if (!copy) err = HD_FAIL_MEMORY(s.len);
    }
    hd_str_clear(&s);
    return err;
}

heed_err hd_event_type(hd_slice name, hd_arena *arena, hd_slice *out) {
    hd_str key;
    hd_str_init(&key);
    heed_err err = hd_fold_name(name, &key);
    // A folded name holds no blank, which separates the names of the table.
    const char *word = err == HEED_OK ? hd_event_word(hd_str_get(&key)) : NULL;
    if (word) *out = hd_slice_of(word);
    if (err == HEED_OK && !word) err = lower(name, arena, out);
    hd_str_clear(&key);
    return err;
}
