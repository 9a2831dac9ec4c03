// SPDX-License-Identifier: Apache-2.0
//
// The rows, each beside its handler in api/<noun>.c.
#ifndef HD_API_LIST_H
#define HD_API_LIST_H

#include "api/op.h"

extern const hd_op hd_op_init;
extern const hd_op hd_op_demo;
extern const hd_op hd_op_import;
extern const hd_op hd_op_report;
extern const hd_op hd_op_users_merge;
extern const hd_op hd_op_users_export;
extern const hd_op hd_op_users_consent;
extern const hd_op hd_op_users_restrict;
extern const hd_op hd_op_users_correct;
extern const hd_op hd_op_users_erase;
extern const hd_op hd_op_privacy_retain;
extern const hd_op hd_op_privacy_receipt;
extern const hd_op hd_op_events_add;
extern const hd_op hd_op_events_list;
extern const hd_op hd_op_items_list;
extern const hd_op hd_op_items_show;
extern const hd_op hd_op_items_add;
extern const hd_op hd_op_items_put;
extern const hd_op hd_op_items_remove;
extern const hd_op hd_op_documents_list;
extern const hd_op hd_op_documents_show;
extern const hd_op hd_op_documents_add;
extern const hd_op hd_op_documents_put;
extern const hd_op hd_op_documents_remove;
extern const hd_op hd_op_users_list;
extern const hd_op hd_op_users_show;
extern const hd_op hd_op_users_add;
extern const hd_op hd_op_users_put;
extern const hd_op hd_op_reviews_add;
extern const hd_op hd_op_reviews_of_item;
extern const hd_op hd_op_reviews_of_user;
extern const hd_op hd_op_tickets_add;
extern const hd_op hd_op_tickets_message;
extern const hd_op hd_op_tickets_list;
extern const hd_op hd_op_tickets_show;
extern const hd_op hd_op_import_list;
extern const hd_op hd_op_import_show;
extern const hd_op hd_op_import_undo;
extern const hd_op hd_op_segment_batch;
extern const hd_op hd_op_segment_track;
extern const hd_op hd_op_segment_identify;
extern const hd_op hd_op_segment_page;
extern const hd_op hd_op_segment_screen;
extern const hd_op hd_op_segment_alias;
extern const hd_op hd_op_segment_group;
extern const hd_op hd_op_posthog_batch;
extern const hd_op hd_op_posthog_capture;
extern const hd_op hd_op_posthog_event;
extern const hd_op hd_op_train;
extern const hd_op hd_op_eval;
extern const hd_op hd_op_eval_list;
extern const hd_op hd_op_eval_show;
extern const hd_op hd_op_model_list;
extern const hd_op hd_op_model_show;
extern const hd_op hd_op_model_activate;
extern const hd_op hd_op_model_rollback;
extern const hd_op hd_op_recipe_list;
extern const hd_op hd_op_recipe_show;
extern const hd_op hd_op_recipe_check;
extern const hd_op hd_op_recipe_run;
extern const hd_op hd_op_model_predict;
extern const hd_op hd_op_model_predict_rows;
extern const hd_op hd_op_recommend;
extern const hd_op hd_op_recommend_session;
extern const hd_op hd_op_recommend_body;
extern const hd_op hd_op_similar;
extern const hd_op hd_op_trending;
extern const hd_op hd_op_profile;
extern const hd_op hd_op_segments;
extern const hd_op hd_op_segment;
extern const hd_op hd_op_config_show;
extern const hd_op hd_op_config_set;
extern const hd_op hd_op_config_unset;
extern const hd_op hd_op_config_change;
extern const hd_op hd_op_job_list;
extern const hd_op hd_op_job_show;
extern const hd_op hd_op_job_progress;
extern const hd_op hd_op_job_cancel;
extern const hd_op hd_op_job_wait;
extern const hd_op hd_op_job_run;
extern const hd_op hd_op_doctor;
extern const hd_op hd_op_privacy_audit;
extern const hd_op hd_op_privacy_reveal;
extern const hd_op hd_op_privacy_seal;
extern const hd_op hd_op_key_export;
extern const hd_op hd_op_key_import;
extern const hd_op hd_op_key_rotate;
extern const hd_op hd_op_key_passphrase;
extern const hd_op hd_op_migrate;
extern const hd_op hd_op_backup;
extern const hd_op hd_op_restore;
extern const hd_op hd_op_serve;
extern const hd_op hd_op_key_create;
extern const hd_op hd_op_key_list;
extern const hd_op hd_op_key_revoke;
extern const hd_op hd_op_usage;
extern const hd_op hd_op_version;

#endif
