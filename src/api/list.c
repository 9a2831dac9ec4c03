// SPDX-License-Identifier: Apache-2.0
//
// The operations, in the order of help: by chapter, and within one as a newcomer meets them.
#include "api/list.h"

// A line each.
// clang-format off
const hd_op *const hd_ops[] = {
    &hd_op_init,
    &hd_op_demo,
    &hd_op_import,
    &hd_op_report,
    &hd_op_import_list,
    &hd_op_import_show,
    &hd_op_import_undo,
    &hd_op_users_list,
    &hd_op_users_merge,
    &hd_op_users_show,
    &hd_op_users_export,
    &hd_op_users_consent,
    &hd_op_users_restrict,
    &hd_op_users_correct,
    &hd_op_users_erase,
    &hd_op_users_add,
    &hd_op_users_put,
    &hd_op_events_list,
    &hd_op_events_add,
    &hd_op_items_list,
    &hd_op_items_show,
    &hd_op_items_add,
    &hd_op_items_put,
    &hd_op_items_remove,
    &hd_op_documents_list,
    &hd_op_documents_show,
    &hd_op_documents_add,
    &hd_op_documents_put,
    &hd_op_documents_remove,
    &hd_op_reviews_add,
    &hd_op_reviews_of_item,
    &hd_op_reviews_of_user,
    &hd_op_tickets_add,
    &hd_op_tickets_message,
    &hd_op_tickets_list,
    &hd_op_tickets_show,
    &hd_op_segment_batch,
    &hd_op_segment_track,
    &hd_op_segment_identify,
    &hd_op_segment_page,
    &hd_op_segment_screen,
    &hd_op_segment_alias,
    &hd_op_segment_group,
    &hd_op_posthog_batch,
    &hd_op_posthog_capture,
    &hd_op_posthog_event,
    &hd_op_train,
    &hd_op_eval,
    &hd_op_eval_list,
    &hd_op_eval_show,
    &hd_op_model_list,
    &hd_op_model_show,
    &hd_op_model_activate,
    &hd_op_model_rollback,
    &hd_op_recipe_list,
    &hd_op_recipe_show,
    &hd_op_recipe_check,
    &hd_op_recipe_run,
    &hd_op_model_predict,
    &hd_op_model_predict_rows,
    &hd_op_model_write,
    &hd_op_model_write_text,
    &hd_op_recommend,
    &hd_op_recommend_session,
    &hd_op_recommend_body,
    &hd_op_similar,
    &hd_op_trending,
    &hd_op_profile,
    &hd_op_segments,
    &hd_op_segment,
    &hd_op_serve,
    &hd_op_key_create,
    &hd_op_key_list,
    &hd_op_key_revoke,
    &hd_op_key_export,
    &hd_op_key_import,
    &hd_op_key_rotate,
    &hd_op_key_passphrase,
    &hd_op_usage,
    &hd_op_config_show,
    &hd_op_config_set,
    &hd_op_config_unset,
    &hd_op_config_change,
    &hd_op_job_list,
    &hd_op_job_show,
    &hd_op_job_progress,
    &hd_op_job_cancel,
    &hd_op_job_wait,
    &hd_op_job_run,
    &hd_op_privacy_audit,
    &hd_op_privacy_reveal,
    &hd_op_privacy_seal,
    &hd_op_doctor,
    &hd_op_migrate,
    &hd_op_privacy_retain,
    &hd_op_privacy_receipt,
    &hd_op_backup,
    &hd_op_restore,
    &hd_op_version,
    NULL,
};
// clang-format on

static const hd_text chapter_texts[] = {
#define CHAPTER_TEXT(name, en, zh) HD_TEXT(en, zh),
    HD_CHAPTER_LIST(CHAPTER_TEXT)
#undef CHAPTER_TEXT
};

hd_text hd_chapter_text(hd_chapter chapter) {
    return chapter_texts[chapter];
}

bool hd_op_reads(const hd_op *op) {
    return op->purpose && (op->run_as == HD_RUN_READ || op->run_as == HD_RUN_QUICK);
}

const hd_op *hd_op_find(const char *name) {
    for (size_t i = 0; hd_ops[i]; i++)
        if (strcmp(hd_ops[i]->name, name) == 0) return hd_ops[i];
    return NULL;
}
