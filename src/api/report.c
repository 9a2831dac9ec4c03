// SPDX-License-Identifier: Apache-2.0
//
// heed report: what the data looks like as a whole, and what in it should be looked at.
#include "api/call.h"
#include "api/list.h"
#include "workspace/auditing.h"
#include "workspace/care.h"

static heed_err report_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed report", &ws));
    heed_err err = hd_report(ws, result);
    call->reads = NULL;                  // it has an entry of its own
    if (err == HEED_OK && !call->lender) // a server counts by the row's purpose
        hd_workspace_record_gladly(ws,
                                   &(hd_audit_entry){.what = HD_AUDIT_REPORT, .purpose = "care"});
    hd_call_close(call, ws);
    return err;
}

static heed_err report_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    return hd_report_text(result, lang, out);
}

const hd_op hd_op_report = {
    .name = "report",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("report on the data as a whole", "整体数据报告"),
    .detail = HD_TEXT(
        "Rows, users, items, density, time span, repeats, gaps, and columns that "
        "look wrong. It holds counts, nothing personal.",
        "行数、用户、商品、密度、时间跨度、重复、空档以及可疑的列。只含计数，不含个人数据。"),
    .method = "GET",
    .path = "/api/v1/report",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .purpose = "care",
    .result_doc = "report",
    .run = report_run,
    .text = report_text,
};
