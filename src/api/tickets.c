// SPDX-License-Identifier: Apache-2.0
//
// Tickets: conversations with support. A record is a message with what it says of its ticket, as in
// an import; the ticket comes with its first message.
#include "api/list.h"
#include "api/posts.h"

#define MESSAGE_SCHEMA                                                                       \
    "{\"type\":\"object\",\"properties\":{\"id\":" HD_ID_SCHEMA ",\"user\":" HD_ID_SCHEMA    \
    ",\"subject\":" HD_WORD_SCHEMA ",\"status\":" HD_WORD_SCHEMA ",\"role\":" HD_WORD_SCHEMA \
    ",\"text\":" HD_WORD_SCHEMA ",\"message_id\":" HD_ID_SCHEMA ",\"time\":" HD_TIME_SCHEMA "}}"

#define TICKET_MEMBERS                                                                     \
    "\"id\":{\"type\":\"string\"},\"user\":" HD_TEXT_SCHEMA ",\"subject\":" HD_TEXT_SCHEMA \
    ",\"status\":" HD_TEXT_SCHEMA                                                          \
    ",\"message_count\":{\"type\":\"integer\"},\"first\":" HD_TEXT_SCHEMA                  \
    ",\"last\":" HD_TEXT_SCHEMA
#define TICKET_REQUIRED \
    "\"id\",\"user\",\"subject\",\"status\",\"message_count\",\"first\",\"last\""

static heed_err add_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "POST /api/v1/tickets", .kind = HD_KIND_TICKETS};
    return hd_call_post(call, &post, result);
}

static heed_err message_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "POST /api/v1/tickets/{ticket}/messages",
                                 .kind = HD_KIND_TICKETS,
                                 .id_param = "ticket"};
    return hd_call_post(call, &post, result);
}

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "GET /api/v1/tickets", &ws));
    heed_err err = hd_browse_tickets(ws, hd_call_text(call, "user"), hd_call_page(call), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err show_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "GET /api/v1/tickets/{ticket}", &ws));
    heed_err err = hd_browse_ticket(ws, hd_call_text(call, "ticket"),
                                    (size_t)hd_call_int(call, "limit", HD_PAGE_MAX), result);
    hd_call_close(call, ws);
    return err;
}

static const hd_param add_params[] = {
    HD_POST_BODY(HD_RECORDS_SCHEMA(MESSAGE_SCHEMA), "one message of a ticket, or an array of them",
                 "一条工单消息，或消息数组"),
};
static const hd_param message_params[] = {
    {"ticket", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the ticket's id", "工单 id")},
    HD_POST_BODY(HD_RECORDS_SCHEMA(MESSAGE_SCHEMA), "one message, or an array of them",
                 "一条消息，或消息数组"),
};
static const hd_param list_params[] = {
    {"user", HD_PARAM_TEXT, .doc = HD_TEXT("only this user's", "只列该用户的工单")},
    HD_PAGE_PARAMS,
};
static const hd_param show_params[] = {
    {"ticket", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the ticket's id", "工单 id")},
    {"limit", HD_PARAM_INT, .initial = "1000", .min = 1, .max = HD_PAGE_MAX,
     .doc = HD_TEXT("how many of the last messages", "最近几条消息")},
};

const hd_op hd_op_tickets_add = {
    .name = "tickets add",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("take tickets in, message by message", "写入工单消息"),
    .detail = HD_TEXT("What a message says of its ticket (user, subject, status) holds for the "
                      "ticket. A message_id makes sending again harmless.",
                      "消息中关于工单的内容（用户、主题、状态）即为工单的内容。带上 message_id "
                      "即可放心重发。"),
    .method = "POST",
    .path = "/api/v1/tickets",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = add_params,
    .n_params = sizeof add_params / sizeof add_params[0],
    .result_doc = "tickets",
    .run = add_run,
};

const hd_op hd_op_tickets_message = {
    .name = "tickets message",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add a message to a ticket", "为工单添加消息"),
    .method = "POST",
    .path = "/api/v1/tickets/{ticket}/messages",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = message_params,
    .n_params = sizeof message_params / sizeof message_params[0],
    .result_doc = "tickets",
    .run = message_run,
};

const hd_op hd_op_tickets_list = {
    .name = "tickets list",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("list tickets, the newest first", "列出工单，从新到旧"),
    .method = "GET",
    .path = "/api/v1/tickets",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "support",
    .many = true,
    .schema = HD_PAGE_SCHEMA("tickets", "{\"type\":\"object\",\"properties\":{" TICKET_MEMBERS
                                        "},\"required\":[" TICKET_REQUIRED "]}"),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "tickets",
    .run = list_run,
};

const hd_op hd_op_tickets_show = {
    .name = "tickets show",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("show a ticket with its messages", "查看工单及其消息"),
    .method = "GET",
    .path = "/api/v1/tickets/{ticket}",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "support",
    .schema = "{\"type\":\"object\",\"properties\":{" TICKET_MEMBERS
              ",\"messages\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":"
              "{\"role\":" HD_TEXT_SCHEMA ",\"text\":" HD_TEXT_SCHEMA ",\"time\":" HD_TEXT_SCHEMA
              "},\"required\":[\"role\",\"text\",\"time\"]}}},\"required\":[" TICKET_REQUIRED
              ",\"messages\"]}",
    .params = show_params,
    .n_params = sizeof show_params / sizeof show_params[0],
    .result_doc = "tickets",
    .run = show_run,
};
