// SPDX-License-Identifier: Apache-2.0
//
// The kinds of record and the names by which the world's files call their fields, in English and
// Chinese. A name is compared after NFKC folding and without blanks, dots, dashes and underscores:
// "userid" stands for user_id, userId, User ID and user.id. Within a field the first name that a
// file has wins, so that "user_id" beats "id".
#include "prepare/read/schema.h"

#include <math.h>

#include "base/mem.h"
#include "prepare/read/event_type.h"
#include "prepare/read/row.h"

#define USER_NAMES                                                                                                           \
    "userid user uid customerid customer customerno customernumber custid memberid member "                                  \
    "memberno accountid account buyerid shopperid visitorid clientid personid distinctid "                                   \
    "reviewerid profileid openid 用户id 用户编号 用户 会员id 会员号 会员编号 会员卡号 会员 客户id " \
    "客户编号 客户号 客户 顾客id 顾客编号 顾客 买家id 买家 账号 账户"
#define ITEM_NAMES                                                                                                   \
    "itemid item productid product sku skuid spuid goodsid goods movieid bookid articleid "                          \
    "contentid asin stockcode productcode itemcode 商品id 商品编号 商品编码 商品代码 商品 产品id " \
    "产品编号 产品编码 产品 货号 物品id 宝贝id"
#define TIME_NAMES                                                                                                           \
    "time timestamp ts datetime eventtime eventtimestamp occurredat createdat created unixtime "                             \
    "unixreviewtime reviewtime date eventdate orderdate ordertime purchasedate purchasetime "                                \
    "invoicedate visittime sentat 时间 日期 时间戳 日期时间 事件时间 行为时间 下单时间 下单日期 " \
    "购买时间 购买日期 支付时间 付款时间 成交时间 交易时间 浏览时间 评价时间 评论时间 创建时间 发送时间"
#define ATTRIBUTE_NAMES \
    "attributes attrs labels traits properties props metadata 属性 标签 扩展信息"
#define CURRENCY_NAMES "currency currencycode 币种 货币 货币代码"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AT(member) offsetof(hd_record, member)

static heed_err finish_user(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    if (!r->user.id.p) {
        HD_BAD_ROW(sink->row, "the user has no id: give each user one, or leave the row out",
                   "该用户没有 id：请补上，或删去该行");
        return HEED_OK;
    }
    return hd_sink_push(sink, r);
}

static const hd_field user_fields[] = {
    {"id", HD_FIELD_ID, AT(user.id), USER_NAMES " id 编号",
     HD_TEXT("your own id of the user", "贵方的用户标识")},
    {"alias", HD_FIELD_ID, AT(user.alias),
     "alias aliasid anonymousid previousid unionid 别名 关联id",
     HD_TEXT("another id of the same person", "同一人的另一个标识")},
    {"created", HD_FIELD_TIME, AT(user.created),
     "created createdat createtime creationtimestamp creationdate registered registeredat "
     "registrationdate regdate regtime signupdate signupat signedupat joined joinedat joindate "
     "membersince 注册时间 注册日期 创建时间 开户时间 入会时间 入会日期 加入时间",
     HD_TEXT("when the user joined", "用户加入的时间")},
    {"attributes", HD_FIELD_OBJECT, AT(user.attributes), ATTRIBUTE_NAMES,
     HD_TEXT("a JSON object with whatever else is known", "其他已知信息的 JSON 对象")},
};
static const hd_schema schema_users = {
    .kind = HD_KIND_USERS,
    .required = {"id"},
    .fields = user_fields,
    .n_fields = COUNT(user_fields),
    .size = sizeof(hd_record),
    .rest = AT(user.attributes),
    .list = HD_NO_PLACE,
    .currency = HD_NO_PLACE,
    .finish = finish_user,
};

static heed_err finish_item(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    if (!r->item.id.p) {
        HD_BAD_ROW(sink->row, "the item has no id: give each item one, or leave the row out",
                   "该商品没有 id：请补上，或删去该行");
        return HEED_OK;
    }
    return hd_sink_push(sink, r);
}

static const hd_field item_fields[] = {
    {"id", HD_FIELD_ID, AT(item.id), ITEM_NAMES " id code 编号 编码",
     HD_TEXT("your own id of the item", "贵方的商品标识")},
    {"title", HD_FIELD_TEXT, AT(item.title),
     "title name itemname itemtitle productname producttitle goodsname movietitle booktitle "
     "displayname 标题 名称 商品名称 商品名 商品标题 产品名称 产品名 品名 书名 片名",
     HD_TEXT("what people call it", "商品名称")},
    {"brand", HD_FIELD_TEXT, AT(item.brand),
     "brand brandname manufacturer maker vendor 品牌 品牌名称 厂商 制造商",
     HD_TEXT("brand or maker", "品牌或厂商")},
    {"categories", HD_FIELD_LIST, AT(item.categories),
     "categories category categorypath categoryname categoryl1 categoryl2 categoryl3 category1 "
     "category2 category3 maincategory subcategory genres genre producttype department 分类 类目 "
     "类别 品类 商品分类 商品类目 一级分类 二级分类 三级分类 一级类目 二级类目 三级类目",
     HD_TEXT("categories, the broadest first: a JSON array, 'a|b', 'a > b' or 'a,b'; several "
             "columns add up",
             "分类，由大到小：JSON 数组、'a|b'、'a > b' 或 'a,b'；多列依次相加")},
    {"price", HD_FIELD_MONEY, AT(item.price),
     "price unitprice saleprice currentprice listprice retailprice 价格 单价 售价 现价 标价 零售价",
     HD_TEXT("price of one", "单价")},
    {"currency", HD_FIELD_CURRENCY, AT(item.currency), CURRENCY_NAMES,
     HD_TEXT("ISO 4217 code of the price", "价格币种的 ISO 4217 代码")},
    {"created", HD_FIELD_DATE, AT(item.created),
     "created createdat createtime creationtimestamp creationdate releasedate publishdate "
     "publishedat launchdate onsaledate timestamp 上架时间 上架日期 创建时间 发布时间 发布日期",
     HD_TEXT("when it came on sale", "上架时间")},
    {"hidden", HD_FIELD_BOOL, AT(item.hidden),
     "hidden ishidden disabled archived deleted delisted offline 隐藏 是否隐藏 下架 是否下架 已下架",
     HD_TEXT("never recommended when true", "为真时不推荐")},
    {"replenishable", HD_FIELD_BOOL, AT(item.replenishable),
     "replenishable consumable repeatable 可复购 消耗品 是否消耗品",
     HD_TEXT("bought again and again", "会重复购买")},
    {"attributes", HD_FIELD_OBJECT, AT(item.attributes), ATTRIBUTE_NAMES,
     HD_TEXT("a JSON object with whatever else is known", "其他已知信息的 JSON 对象")},
};
static const hd_schema schema_items = {
    .kind = HD_KIND_ITEMS,
    .required = {"id"},
    .fields = item_fields,
    .n_fields = COUNT(item_fields),
    .size = sizeof(hd_record),
    .rest = AT(item.attributes),
    .list = AT(item.categories),
    .currency = AT(item.currency),
    .finish = finish_item,
};

static heed_err finish_event(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    if (!r->event.type.p) r->event.type = sink->default_type;
    if (!r->event.user.p && !r->event.session.p && !r->event.item.p) {
        HD_BAD_ROW(sink->row, "the event names neither user nor session nor item: give one of them",
                   "该事件没有用户、会话或商品：请至少提供一项");
        return HEED_OK;
    }
    return hd_sink_push(sink, r);
}

static const hd_field event_fields[] = {
    {"event_id", HD_FIELD_ID, AT(event.event_id),
     "eventid messageid insertid eventuuid 事件id 事件编号 流水号",
     HD_TEXT("unique: a repeat changes nothing", "唯一标识：重复导入不产生影响")},
    {"user", HD_FIELD_ID, AT(event.user), USER_NAMES,
     HD_TEXT("who; empty: anonymous", "谁；空为匿名")},
    {"session", HD_FIELD_ID, AT(event.session),
     "sessionid session visitid anonymousid cookieid deviceid 会话id 会话 访问id",
     HD_TEXT("visit or basket", "访问或购物篮")},
    {"item", HD_FIELD_ID, AT(event.item), ITEM_NAMES, HD_TEXT("which item", "哪件商品")},
    {"type", HD_FIELD_EVENT, AT(event.type),
     "type eventtype event eventname action behavior behaviour behaviortype behaviourtype "
     "feedbacktype interactiontype interaction activity verb 事件类型 事件 事件名称 行为类型 行为 操作 "
     "动作 类型",
     HD_TEXT("view, cart, purchase, rating, …", "view、cart、purchase、rating……")},
    {"rating", HD_FIELD_NUMBER, AT(event.value), "rating ratings stars overall 评分 打分 星级",
     HD_TEXT("a rating, kept as the value", "评分，记为数值")},
    {"value", HD_FIELD_MONEY, AT(event.value),
     "value eventvalue amount price unitprice saleprice revenue total paid payment dollarvalue 金额 价格 单价 实付 "
     "实付金额 支付金额 成交价 成交金额",
     HD_TEXT("amount, seconds: as the type says", "金额、秒数等，视类型而定")},
    {"quantity", HD_FIELD_QUANTITY, AT(event.quantity),
     "quantity qty units 数量 件数 购买数量 购买件数", HD_TEXT("how many", "数量")},
    {"currency", HD_FIELD_CURRENCY, AT(event.currency), CURRENCY_NAMES,
     HD_TEXT("ISO 4217 code of the value", "金额币种的 ISO 4217 代码")},
    {"time", HD_FIELD_TIME, AT(event.time), TIME_NAMES, HD_TEXT("when", "时间")},
    {"properties", HD_FIELD_OBJECT, AT(event.properties),
     "properties props attributes extra params 属性 扩展信息 附加信息",
     HD_TEXT("a JSON object with whatever else is known", "其他已知信息的 JSON 对象")},
};
static const hd_schema schema_events = {
    .kind = HD_KIND_EVENTS,
    .required = {"user item session"},
    .fields = event_fields,
    .n_fields = COUNT(event_fields),
    .size = sizeof(hd_record),
    .rest = AT(event.properties),
    .list = HD_NO_PLACE,
    .currency = AT(event.currency),
    .finish = finish_event,
};

static heed_err finish_review(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    if (!r->review.item.p) {
        HD_BAD_ROW(sink->row,
                   "the review names no item: give the item it is about, or leave the row out",
                   "该评论没有商品：请补上所评商品，或删去该行");
        return HEED_OK;
    }
    if (!r->review.text.p && !r->review.title.p && isnan(r->review.rating)) {
        HD_BAD_ROW(sink->row, "the review has neither text nor rating: leave the row out",
                   "该评论既无文字也无评分：请删去该行");
        return HEED_OK;
    }
    return hd_sink_push(sink, r);
}

static const hd_field review_fields[] = {
    {"id", HD_FIELD_ID, AT(review.id), "reviewid commentid id 评论id 评价id 评论编号 评价编号",
     HD_TEXT("your own id of the review", "贵方的评论标识")},
    {"user", HD_FIELD_ID, AT(review.user), USER_NAMES, HD_TEXT("who wrote it", "评论人")},
    {"item", HD_FIELD_ID, AT(review.item), ITEM_NAMES, HD_TEXT("about which item", "所评商品")},
    {"rating", HD_FIELD_NUMBER, AT(review.rating),
     "rating ratings stars score overall 评分 打分 星级 分数", HD_TEXT("rating", "评分")},
    {"title", HD_FIELD_TEXT, AT(review.title),
     "title summary headline reviewtitle reviewheadline reviewsummary 标题 摘要",
     HD_TEXT("headline", "标题")},
    {"text", HD_FIELD_TEXT, AT(review.text),
     "text reviewtext reviewbody reviewcontent review comment content body message 评论内容 评价内容 评论 "
     "评价 内容 正文",
     HD_TEXT("the text", "正文")},
    {"time", HD_FIELD_TIME, AT(review.time), TIME_NAMES, HD_TEXT("when", "时间")},
};
static const hd_schema schema_reviews = {
    .kind = HD_KIND_REVIEWS,
    .required = {"item", "text title rating"},
    .fields = review_fields,
    .n_fields = COUNT(review_fields),
    .size = sizeof(hd_record),
    .rest = HD_NO_PLACE,
    .list = HD_NO_PLACE,
    .currency = HD_NO_PLACE,
    .finish = finish_review,
};

// Who speaks, in heed's words; others are kept as they are.
static const struct {
    const char *name;
    const char *role;
} roles[] = {
    {"user", "user"},       {"customer", "user"},  {"client", "user"},    {"buyer", "user"},
    {"visitor", "user"},    {"incoming", "user"},  {"inbound", "user"},   {"用户", "user"},
    {"客户", "user"},       {"顾客", "user"},      {"买家", "user"},      {"agent", "agent"},
    {"support", "agent"},   {"staff", "agent"},    {"seller", "agent"},   {"operator", "agent"},
    {"assistant", "agent"}, {"outgoing", "agent"}, {"outbound", "agent"}, {"客服", "agent"},
    {"商家", "agent"},      {"卖家", "agent"},     {"系统", "system"},
};

static heed_err finish_ticket(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    bool says = r->ticket.text.p || r->ticket.status.p || r->ticket.subject.p;
    if (!r->ticket.id.p || !says) { // a ticket may change without a message: its status
        HD_BAD_ROW(sink->row, "the message lacks the ticket's id or its text: give both",
                   "该消息缺少工单 id 或内容：请补上");
        return HEED_OK;
    }
    for (size_t i = 0; r->ticket.role.p && i < COUNT(roles); i++) {
        if (hd_slice_eq_nocase(r->ticket.role, roles[i].name)) {
            r->ticket.role = hd_slice_of(roles[i].role);
            break;
        }
    }
    return hd_sink_push(sink, r);
}

static const hd_field ticket_fields[] = {
    {"id", HD_FIELD_ID, AT(ticket.id),
     "ticketid ticket conversationid dialogueid dialogid chatid caseid threadid sessionid id 工单id "
     "工单号 工单编号 会话id 会话编号 会话",
     HD_TEXT("id of the conversation", "会话标识")},
    {"user", HD_FIELD_ID, AT(ticket.user), USER_NAMES, HD_TEXT("whose it is", "所属用户")},
    {"subject", HD_FIELD_TEXT, AT(ticket.subject), "subject title topic 主题 标题",
     HD_TEXT("subject", "主题")},
    {"status", HD_FIELD_TEXT, AT(ticket.status), "status state 状态 工单状态",
     HD_TEXT("open, closed, …", "状态")},
    {"role", HD_FIELD_TEXT, AT(ticket.role),
     "role sender sendertype author authortype speaker from direction 角色 发送方 发送者 说话人",
     HD_TEXT("who speaks: user, agent, system", "说话人：user、agent、system")},
    {"text", HD_FIELD_TEXT, AT(ticket.text),
     "text message content body utterance description question 内容 消息 消息内容 正文 文本 问题 描述",
     HD_TEXT("the message", "消息内容")},
    {"message_id", HD_FIELD_ID, AT(ticket.message_id), "messageid msgid 消息id 消息编号",
     HD_TEXT("id of the message", "消息标识")},
    {"time", HD_FIELD_TIME, AT(ticket.time), TIME_NAMES, HD_TEXT("when", "时间")},
};
static const hd_schema schema_tickets = {
    .kind = HD_KIND_TICKETS,
    .required = {"id", "text"},
    .fields = ticket_fields,
    .n_fields = COUNT(ticket_fields),
    .size = sizeof(hd_record),
    .rest = HD_NO_PLACE,
    .list = HD_NO_PLACE,
    .currency = HD_NO_PLACE,
    .finish = finish_ticket,
};

// A document without an id is known by its address, else by its title: importing it again changes
// it.
static heed_err finish_document(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    hd_document_record *d = &r->document;
    if (!d->id.p) d->id = d->url.p ? d->url : d->title;
    if (!d->id.p || !d->text.p) {
        HD_BAD_ROW(sink->row,
                   "the document lacks a text, or all of id, address and title: give them",
                   "该文档缺少正文，或 id、链接、标题皆无：请补上");
        return HEED_OK;
    }
    return hd_sink_push(sink, r);
}

static const hd_field document_fields[] = {
    {"id", HD_FIELD_ID, AT(document.id),
     "documentid docid articleid faqid slug id 文档id 文章id 文档编号 编号",
     HD_TEXT("your own id of the document", "贵方的文档标识")},
    {"title", HD_FIELD_TEXT, AT(document.title),
     "title question headline heading name subject 标题 问题 名称",
     HD_TEXT("title, or the question", "标题或问题")},
    {"text", HD_FIELD_TEXT, AT(document.text),
     "text answer content body article markdown 内容 答案 回答 正文 解答",
     HD_TEXT("text, or the answer", "正文或答案")},
    {"url", HD_FIELD_TEXT, AT(document.url), "url link href permalink 链接 网址",
     HD_TEXT("address", "链接")},
    {"lang", HD_FIELD_TEXT, AT(document.lang), "lang language locale 语言",
     HD_TEXT("language", "语言")},
    {"updated", HD_FIELD_TIME, AT(document.updated),
     "updated updatedat modified modifiedat lastmodified date time timestamp created createdat 更新时间 "
     "修改时间 时间 日期",
     HD_TEXT("when it last changed", "最后更新时间")},
};
static const hd_schema schema_documents = {
    .kind = HD_KIND_DOCUMENTS,
    .required = {"text"},
    .fields = document_fields,
    .n_fields = COUNT(document_fields),
    .size = sizeof(hd_record),
    .rest = HD_NO_PLACE,
    .list = HD_NO_PLACE,
    .currency = HD_NO_PLACE,
    .finish = finish_document,
};

const hd_schema *const hd_schemas[HD_KINDS] = {
    [HD_KIND_USERS] = &schema_users,     [HD_KIND_ITEMS] = &schema_items,
    [HD_KIND_EVENTS] = &schema_events,   [HD_KIND_REVIEWS] = &schema_reviews,
    [HD_KIND_TICKETS] = &schema_tickets, [HD_KIND_DOCUMENTS] = &schema_documents,
};

const hd_field *hd_schema_field(const hd_schema *schema, const char *name) {
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (strcmp(schema->fields[i].name, name) == 0) return &schema->fields[i];
    }
    return NULL;
}

void hd_schema_blank(const hd_schema *schema, void *target) {
    memset(target, 0, schema->size);
    for (size_t i = 0; i < schema->n_fields; i++) {
        char *place = (char *)target + schema->fields[i].offset;
        switch (schema->fields[i].type) {
        case HD_FIELD_NUMBER:
        case HD_FIELD_QUANTITY:
        case HD_FIELD_MONEY:
            *(double *)(void *)place = NAN;
            break;
        case HD_FIELD_TIME:
        case HD_FIELD_DATE:
            *(hd_time *)(void *)place = HD_TIME_NONE;
            break;
        case HD_FIELD_BOOL:
            *(int *)(void *)place = -1;
            break;
        default:
            break; // slices: all zero is absent
        }
    }
}

void hd_record_blank(hd_kind kind, hd_record *out) {
    hd_schema_blank(hd_schemas[kind], out);
    out->kind = kind;
}

heed_err hd_sink_push(hd_sink *sink, const hd_record *record) {
    HD_TRY(hd_grow(&sink->records, &sink->cap, sink->n + 1, sizeof *sink->records));
    sink->records[sink->n++] = *record;
    return HEED_OK;
}
