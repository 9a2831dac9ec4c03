// SPDX-License-Identifier: Apache-2.0
//
// The loop: batches, gradients, a step, and from time to time a validation, a checkpoint, a report.
// All that decides the result is in hd_train_state, the weights and the moments; clocks decide only
// when a report is made.
#include "nn/train.h"

#include <math.h>
#include <string.h>

#include "nn/training.h"

// ── Reports ──

static void fill_validation(const hd_training *t, hd_progress *p) {
    p->has_validation = t->s.has_validation;
    p->validation_loss = t->s.validation_loss;
    p->n_metrics = t->metrics.n;
    for (size_t i = 0; i < t->metrics.n; i++) {
        p->metric_names[i] = t->metrics.kind[i]->kind.name;
        p->metrics[i] = t->s.metrics[i];
    }
}

static void tell(hd_training *t, hd_progress_kind kind) {
    double now = hd_seconds(), spent = now - t->since_time;
    hd_progress p = {.kind = kind,
                     .step = t->s.step,
                     .steps = t->steps,
                     .epoch = t->s.epoch,
                     .epochs = t->o.epochs,
                     .rate = t->now_rate,
                     .gradient_norm = t->norm,
                     .batch = (size_t)t->s.batch,
                     .best = kind == HD_PROGRESS_VALIDATED && t->has_best_now};
    if (t->since_n > 0) t->told_loss = t->since_sum / t->since_n;
    p.loss = t->told_loss;
    p.samples_per_second = spent > 0 ? t->since_samples / spent : 0;
    double each =
        (now - t->begun) / (double)(t->s.step - t->begun_step + (t->s.step == t->begun_step));
    p.seconds_left = each * (double)(t->steps - t->s.step);
    fill_validation(t, &p);
    if (t->o.progress && !t->o.progress(t->o.ctx, &p)) t->asked_to_stop = true;
    if (kind == HD_PROGRESS_VALIDATED) return;
    t->since_sum = t->since_n = t->since_samples = 0;
    t->since_time = now;
    t->since_step = t->s.step;
}

static bool report_is_due(const hd_training *t) {
    if (!t->o.progress) return false;
    if (t->o.report_every > 0) return t->s.step % t->o.report_every == 0;
    return hd_seconds() - t->since_time > 0.5;
}

// About a thousand points over the whole training.
static heed_err add_points(hd_training *t, double loss) {
    uint64_t every = t->steps / 1000 + 1;
    if (!t->curves || t->s.step < t->curve_step + every) return HEED_OK;
    const hd_point points[] = {
        {"train/loss", loss}, {"train/rate", t->now_rate}, {"train/gradient_norm", t->norm}};
    double epoch = (double)t->s.epoch + (double)t->s.done / (double)t->data->n;
    t->curve_step = t->s.step;
    return hd_curves_add(t->curves, t->s.step, epoch, hd_wall_seconds(), points, 3);
}

// ── A step ──

// Gradients of up to `accumulate` batches. *n: samples, 0 when the epoch is over; *loss: their
// mean.
static heed_err gather(hd_training *t, size_t *n, size_t *batches, double *loss,
                       hd_minibatch *batch) {
    double sum = 0;
    *n = 0;
    *batches = 0;
    for (size_t i = 0; i < t->o.accumulate; i++) {
        hd_minibatch next;
        hd_program *p;
        HD_TRY(hd_loader_next(t->loader, &next));
        if (next.n == 0) break;
        *batch = next;
        HD_TRY(hd_runner_get(&t->runner, batch, &p));
        if (t->o.accumulate > 1) hd_graph_accumulate(p->graph, i > 0);
        HD_TRY(hd_graph_run(p->graph, t->s.step * t->o.accumulate + i));
        double one = (double)*(const float *)p->loss->data;
        if (!isfinite(one)) {
            return hd_runner_explain(&t->runner, batch, t->s.step * t->o.accumulate + i,
                                     t->now_rate);
        }
        sum += one * (double)batch->n;
        *n += batch->n;
        ++*batches;
    }
    *loss = *n > 0 ? sum / (double)*n : 0;
    return HEED_OK;
}

// A loss a hundred thousand times the first one doesn't come back.
static heed_err check_explosion(hd_training *t, double loss) {
    const double beyond = 1e5;
    if (!t->s.has_first) {
        t->s.has_first = true;
        t->s.first_loss = fabs(loss);
    }
    if (fabs(loss) < beyond * (t->s.first_loss + 1)) return HEED_OK;
    return HD_FAIL(
        HEED_INPUT,
        "the training explodes: the loss rose from %.4g to %.4g in %llu steps at rate %g: "
        "lower the rate, let it warm up, or set clip_norm",
        "训练发散：损失在 %3$llu 步内从 %1$.4g 升到 %2$.4g，学习率为 %4$g："
        "请降低学习率、加预热，或设置 clip_norm",
        t->s.first_loss, loss, (unsigned long long)t->s.step + 1, t->now_rate);
}

static heed_err update(hd_training *t, size_t batches, const hd_minibatch *batch) {
    double scale = 1 / (double)batches;
    HD_TRY(hd_optimizer_norm(&t->optimizer, t->pool, (float)scale, &t->norm));
    if (!isfinite(t->norm)) {
        return hd_runner_explain(&t->runner, batch, t->s.step * t->o.accumulate + batches - 1,
                                 t->now_rate);
    }
    if (t->o.watch) hd_watch_look(t->o.watch, t->s.step, scale);
    if (t->o.clip_norm > 0 && t->norm > t->o.clip_norm) scale *= t->o.clip_norm / t->norm;
    HD_TRY(hd_optimizer_step(&t->optimizer, t->pool, t->now_rate, scale, t->o.clip_value));
    if (!t->averages) return HEED_OK;
    // Early on the average follows faster: (1 + n) / (10 + n), as it is usually done.
    double early = (1 + (double)t->s.step) / (10 + (double)t->s.step);
    return hd_optimizer_average(&t->optimizer, t->pool, t->averages,
                                early < t->o.average ? early : t->o.average);
}

// *n: samples it took, 0: the epoch is over.
static heed_err step(hd_training *t, size_t *n) {
    const hd_moment moment = {t->s.step, t->steps, t->s.epoch};
    hd_minibatch batch = {.n = 0};
    size_t batches = 0;
    double loss = 0;
    t->now_rate = t->optimizer.rate * hd_schedule_factor(&t->rate, &t->s.rate, &moment);
    HD_TRY(gather(t, n, &batches, &loss, &batch));
    if (*n == 0) return HEED_OK;
    HD_TRY(check_explosion(t, loss));
    HD_TRY(update(t, batches, &batch));
    t->s.step++;
    t->s.done += *n;
    t->s.loss_sum += loss * (double)*n;
    t->s.loss_n += (double)*n;
    t->since_sum += loss * (double)*n;
    t->since_n += (double)*n;
    t->since_samples += (double)*n;
    t->samples += (double)*n;
    return add_points(t, loss);
}

// ── An epoch ──

static heed_err validate(hd_training *t, bool *stop) {
    if (!t->o.validation) return HEED_OK;
    HD_TRY(hd_training_validate(t, stop));
    tell(t, HD_PROGRESS_VALIDATED);
    return HEED_OK;
}

static heed_err after_step(hd_training *t, bool *stop) {
    if (report_is_due(t)) tell(t, HD_PROGRESS_STEP);
    if (t->o.validate_every > 0 && t->s.step % t->o.validate_every == 0) {
        HD_TRY(validate(t, stop));
    }
    if (t->o.checkpoint && t->o.checkpoint_every > 0 && t->s.step % t->o.checkpoint_every == 0) {
        HD_TRY(hd_checkpoint_save(t));
    }
    *stop = *stop || t->asked_to_stop || t->s.step >= t->steps;
    return HEED_OK;
}

static heed_err end_epoch(hd_training *t, bool *stop) {
    t->s.last_loss = t->s.loss_n > 0 ? t->s.loss_sum / t->s.loss_n : NAN;
    t->s.epoch++;
    t->s.done = t->s.batch = 0;
    t->s.loss_sum = t->s.loss_n = 0;
    if (t->o.validate_every == 0) HD_TRY(validate(t, stop));
    t->s.finished =
        *stop || t->s.step >= t->steps || (t->o.epochs > 0 && t->s.epoch >= t->o.epochs);
    if (t->o.checkpoint && t->o.checkpoint_every == 0) HD_TRY(hd_checkpoint_save(t));
    *stop = *stop || t->asked_to_stop || t->s.finished;
    return HEED_OK;
}

static heed_err epoch(hd_training *t, bool *stop) {
    if (t->s.batch == 0) t->s.batch = hd_training_batch(t, t->s.epoch);
    HD_TRY(hd_loader_begin(t->loader, t->s.epoch, (size_t)t->s.batch, (size_t)t->s.done));
    while (!*stop) {
        size_t n;
        HD_TRY(step(t, &n));
        if (n == 0) break;
        HD_TRY(after_step(t, stop));
    }
    // (An epoch cut short by the number of steps ends here too; one stopped by others doesn't.)
    bool whole = t->s.done >= hd_loader_samples(t->loader, (size_t)t->s.batch);
    return whole || t->s.step >= t->steps ? end_epoch(t, stop) : HEED_OK;
}

static heed_err loop(hd_training *t) {
    bool stop = t->s.finished || t->s.step >= t->steps;
    t->begun = t->since_time = hd_seconds();
    t->told_loss = t->s.last_loss;
    t->begun_step = t->since_step = t->curve_step = t->s.step;
    while (!stop) HD_TRY(epoch(t, &stop));
    if (t->o.checkpoint && !t->s.finished) {
        HD_TRY(hd_checkpoint_save(t)); // asked to stop: goes on from here another time
    }
    return hd_training_settle(t);
}

static void make_report(const hd_training *t, hd_train_report *r) {
    double spent = hd_seconds() - t->begun;
    *r = (hd_train_report){.steps = t->s.step,
                           .epochs = t->s.epoch,
                           .loss = t->s.loss_n > 0 ? t->s.loss_sum / t->s.loss_n : t->s.last_loss,
                           .has_validation = t->s.has_validation,
                           .validation_loss = t->s.validation_loss,
                           .best = t->s.best,
                           .best_step = t->s.best_step,
                           .seconds = spent,
                           .samples_per_second = spent > 0 ? t->samples / spent : 0,
                           .stopped_early = t->s.step < t->steps};
    memcpy(r->metrics, t->s.metrics, sizeof r->metrics);
    r->parameters = hd_weights_count(&t->net->weights, NULL);
    r->bytes = r->parameters * 2 * sizeof(float) + hd_optimizer_bytes(&t->optimizer) +
               hd_runner_bytes(&t->runner);
    r->flops = hd_runner_flops(&t->runner);
}

heed_err hd_net_train(hd_net *net, hd_data *data, const hd_train_opts *opts,
                      hd_train_report *report) {
    hd_training t = {.net = net, .data = data, .o = *opts, .norm = NAN};
    hd_arena_init(&t.arena);
    for (int i = 0; i < 4; i++) hd_map_init(&t.specs[i].lines);
    heed_err err = hd_training_begin(&t);
    if (err == HEED_OK) err = loop(&t);
    if (err == HEED_OK && report) make_report(&t, report);
    if (err == HEED_OK && opts->plan) hd_runner_plan(&t.runner, opts->plan);
    hd_training_clear(&t);
    return err;
}

// ── A line for a terminal ──

static void left_text(double seconds, char *out, size_t n) {
    long s = seconds > 0 && seconds < 1e9 ? (long)seconds : 0;
    if (s >= 3600) {
        hd_snprintf(out, n, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        hd_snprintf(out, n, "%ld:%02ld", s / 60, s % 60);
    }
}

void hd_progress_line(const hd_progress *p, heed_lang lang, char *out, size_t n) {
    char left[32];
    bool zh = lang == HEED_ZH;
    left_text(p->seconds_left, left, sizeof left);
    int at = hd_snprintf(
        out, n,
        zh ? "步 %llu/%llu  损失 %.4f  学习率 %.3g" : "step %llu/%llu  loss %.4f  rate %.3g",
        (unsigned long long)p->step, (unsigned long long)p->steps, p->loss, p->rate);
    if (p->kind == HD_PROGRESS_STEP && at > 0 && (size_t)at < n) {
        at += hd_snprintf(out + at, n - (size_t)at,
                          zh ? "  %.0f 样本/秒  剩余 %s" : "  %.0f samples/s  %s left",
                          p->samples_per_second, left);
    }
    if (p->has_validation && at > 0 && (size_t)at < n) {
        at += hd_snprintf(out + at, n - (size_t)at, zh ? "  验证损失 %.4f" : "  validation %.4f",
                          p->validation_loss);
    }
    for (size_t i = 0; p->has_validation && i < p->n_metrics && at > 0 && (size_t)at < n; i++) {
        at += hd_snprintf(out + at, n - (size_t)at, "  %s %.4f", p->metric_names[i], p->metrics[i]);
    }
}
