// SPDX-License-Identifier: Apache-2.0
//
// Losses by name, and targets in the form that each wants. All are means over the rows that count;
// built from operators in loss_*.c.
#include "nn/loss_rows.h"

static const hd_spec_kind *const rows[] = {
#define ROW(id) &hd_loss_kind_##id.kind,
    HD_LOSS_ROWS(ROW)
#undef ROW
};
const hd_spec_kinds hd_loss_kinds = {
    .what = HD_TEXT("loss", "损失函数"), .rows = rows, .n = sizeof rows / sizeof rows[0]};

heed_err hd_loss_read(const json_t *value, const hd_where *where, hd_arena *arena, hd_loss *out) {
    return hd_spec_read(&hd_loss_kinds, value, where, arena, &out->choice);
}

const hd_loss_kind *hd_loss_kind_of(const hd_loss *loss) {
    return (const hd_loss_kind *)(const void *)loss->choice.kind;
}

heed_err hd_loss_learn(hd_loss *loss, hd_data *data, hd_arena *arena) {
    const hd_loss_kind *kind = hd_loss_kind_of(loss);
    return kind->learn ? kind->learn(loss->choice.options, data, arena) : HEED_OK;
}

// Targets in the form the loss wants, or a failure that shows both shapes.
static hd_tensor *fit_target(hd_nn_scope *s, const hd_loss_kind *kind, hd_tensor *out,
                             hd_tensor *target) {
    if (kind->rule == HD_TARGET_NONE || kind->rule == HD_TARGET_OWN) return target;
    bool labels = kind->rule == HD_TARGET_LABELS;
    size_t width = out->n_dims > 1 ? out->shape[out->n_dims - 1] : 1;
    size_t wanted = labels ? out->count / (width ? width : 1) : out->count;
    if (target && target->dtype == (labels ? HD_I32 : HD_F32) && target->count == wanted) {
        return labels ? hd_tensor_reshape(target, out->n_dims - 1, out->shape)
                      : hd_tensor_reshape(target, out->n_dims, out->shape);
    }
    hd_shape_text is = hd_scope_shape(out), has = {"nothing"};
    if (target) has = hd_scope_shape(target);
    return hd_scope_fail(
        s,
        HD_FAIL(HEED_INPUT,
                "the network gives %1$s a sample, the data's targets are %2$s: it needs %3$s%4$.0s",
                "网络对每个样本输出 %1$s，而数据的目标为 %2$s：需要%3$.0s%4$s", is.text, has.text,
                labels ? "one whole-number label for each row of its output"
                       : "as many measured values as it gives",
                labels ? "为输出的每一行给出一个整数标签" : "与输出一样多的数值"));
}

hd_tensor *hd_loss_build(hd_nn_scope *s, const hd_loss *loss, hd_tensor *out, hd_tensor *target) {
    const hd_loss_kind *kind = hd_loss_kind_of(loss);
    hd_graph_scope_push(s->graph, "loss");
    const hd_loss_in in = {s, out, fit_target(s, kind, out, target), loss->choice.options};
    if (hd_graph_error(s->graph) == HEED_OK) {
        out = kind->build(&in);
    }
    hd_graph_scope_pop(s->graph);
    hd_scope_check(s, &loss->choice.where);
    return out;
}
