// SPDX-License-Identifier: Apache-2.0
//
// Reading images for a recipe: folders with a sub-folder per class, lists (a CSV with a column that
// names files), or MNIST's files.
//
// Files are kept as they are until samples are made: undecoded they take a tenth of the memory.
#include "recipe/images_read.h"

#include "base/fs.h"
#include "base/mem.h"
#include "prepare/idx.h"

enum { LONGEST_FILE = 1 << 27 };

// ── Reading a folder with a sub-folder per class ──

bool hd_images_named(hd_slice name) {
    static const char *const ends[] = {".png", ".jpg", ".jpeg"};
    for (size_t i = 0; name.p && i < sizeof ends / sizeof ends[0]; i++) {
        const size_t n = strlen(ends[i]);
        if (name.n <= n) continue;
        if (hd_slice_eq_nocase((hd_slice){name.p + name.n - n, n}, ends[i])) return true;
    }
    return false;
}

typedef struct folder {
    const hd_input_env *env;
    hd_rows *rows;
    const char *image, *label; // names of the columns
} folder;

static heed_err add_row(const folder *f, size_t *row) {
    *row = f->rows->n;
    return hd_rows_add(f->rows, 1);
}

static heed_err add_picture(const folder *f, const char *path, const char *shown,
                            const char *class) {
    hd_str bytes;
    size_t row, file;
    hd_str_init(&bytes);
    heed_err err = hd_fs_read(path, LONGEST_FILE, &bytes);
    if (err == HEED_OK && bytes.len == 0) {
        err = HD_FAIL(HEED_INPUT, "'%s' is empty", "“%s”为空", shown);
    }
    if (err != HEED_OK) {
        hd_str_clear(&bytes);
        return err;
    }
    HD_TRY(hd_rows_keep(f->rows, bytes.data));
    HD_TRY(add_row(f, &row));
    HD_TRY(hd_rows_add_file(f->rows, shown, &file));
    f->rows->place[row] = hd_rows_at(file, 0);
    hd_rows_find(f->rows, f->image)->cells[row] = (hd_slice){bytes.data, bytes.len};
    hd_rows_find(f->rows, f->label)->cells[row] = hd_slice_of(class);
    return HEED_OK;
}

static heed_err add_class(const folder *f, const char *root, const char *shown, const char *class) {
    char **names;
    size_t n, most = (size_t)f->env->common->rows;
    const char *path = hd_fs_join(f->env->arena, root, class);
    const char *kept = hd_arena_strdup(&f->rows->arena, class);
    if (!path || !kept) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_list(path, f->env->arena, &names, &n));
    for (size_t i = 0, taken = 0; i < n && (most == 0 || taken < most); i++) {
        if (names[i][0] == '.' || !hd_images_named(hd_slice_of(names[i]))) continue;
        const char *file = hd_fs_join(f->env->arena, path, names[i]);
        const char *said = hd_arena_printf(f->env->arena, "%s/%s/%s", shown, class, names[i]);
        if (!file || !said) return HD_FAIL_MEMORY(0);
        HD_TRY(add_picture(f, file, said, kept));
        taken++;
    }
    return HEED_OK;
}

static heed_err add_folder(const folder *f, const char *root, const char *name) {
    char **classes;
    size_t n, before = f->rows->n;
    HD_TRY(hd_fs_list(root, f->env->arena, &classes, &n));
    for (size_t i = 0; i < n; i++) {
        const char *path = hd_fs_join(f->env->arena, root, classes[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        if (classes[i][0] != '.' && hd_fs_is_dir(path))
            HD_TRY(add_class(f, root, name, classes[i]));
    }
    if (f->rows->n > before) return HEED_OK;
    return HD_FAIL(HEED_INPUT,
                   "'%s' has no PNG or JPEG in a sub-folder: make one for each class of images",
                   "“%s”的子文件夹中没有 PNG 或 JPEG：请为每个类别建一个子文件夹", name);
}

// ── Reading a list of files ──

char *hd_images_beside(hd_arena *arena, const char *list, hd_slice name) {
    const char *slash = strrchr(list, '/');
    const bool beside = slash && name.n > 0 && name.p[0] != '/';
    const int n = beside ? (int)(slash + 1 - list) : 0;
    return hd_arena_printf(arena, "%.*s%.*s", n, list, (int)name.n, name.p);
}

static heed_err add_line(const folder *f, const char *root, const hd_rows *list, size_t row,
                         hd_slice image, hd_slice class) {
    const hd_rows_words place = hd_rows_place(list, row);
    if (!image.p) {
        return HD_FAIL(HEED_INPUT, "%s: column '%s' names no file", "%s：列“%s”没有文件名",
                       place.text, f->image);
    }
    const char *path = hd_images_beside(f->env->arena, root, image);
    const char *shown = hd_arena_strndup(f->env->arena, image.p, image.n);
    const char *kept = class.p ? hd_arena_strndup(&f->rows->arena, class.p, class.n) : NULL;
    if (!path || !shown || (class.p && !kept)) return HD_FAIL_MEMORY(0);
    heed_err err = add_picture(f, path, shown, kept);
    return err == HEED_OK ? err : hd_error_prefix(err, "%s", "%s", place.text);
}

static heed_err read_list(const folder *f, const char *root, const char *name, hd_rows *out,
                          hd_rows_column **image, hd_rows_column **label) {
    hd_rows_format format;
    HD_TRY(hd_input_format(f->env, &format));
    heed_err err = hd_rows_read(out, root, name, &format);
    if (err == HEED_OK) err = hd_rows_need(out, f->image, image);
    if (err == HEED_OK) err = hd_rows_need(out, f->label, label);
    if (err != HEED_INPUT) return err;
    return hd_error_prefix(
        err, "'%s' is no folder with a sub-folder for each class, and as a list of images",
        "“%s”不是每个类别一个子文件夹的文件夹；作为图像列表", name);
}

static heed_err add_list(const folder *f, const char *root, const char *name) {
    hd_rows list;
    hd_rows_column *image, *label;
    hd_rows_init(&list);
    heed_err err = read_list(f, root, name, &list, &image, &label);
    for (size_t i = 0; err == HEED_OK && i < list.n; i++)
        err = add_line(f, root, &list, i, image->cells[i], label->cells[i]);
    hd_rows_clear(&list);
    return err;
}

static heed_err add_named(const folder *f, const char *name) {
    const char *root;
    HD_TRY(f->env->find(f->env, name, &root));
    return hd_fs_is_dir(root) ? add_folder(f, root, name) : add_list(f, root, name);
}

// The columns that both kinds make: the image, and its class.
static heed_err begin_rows(folder *f, const hd_images_options *o, hd_rows_kind kind) {
    size_t nothing;
    hd_rows_column *column;
    const char *target = json_string_value(f->env->common->target);
    f->image = o->image ? o->image : "image";
    f->label = target ? target : "label";
    if (f->rows->n_columns > 0) return HEED_OK;
    HD_TRY(hd_rows_add_file(f->rows, "", &nothing)); // place 0 is "from nowhere"
    HD_TRY(hd_rows_add_column(f->rows, f->image, kind, &column));
    return hd_rows_add_column(f->rows, f->label, HD_ROWS_TEXT, &column);
}

static const char *const keys[HD_PARTS] = {"train", "validation", "test"};

static heed_err nothing_named(const hd_input_env *env, const char *en, const char *zh) {
    hd_where_words place = hd_where_text(&env->where);
    return HD_FAIL(HEED_INPUT, "%1$s: say what to train on: '%2$s'%3$.0s",
                   "%1$s：请指明训练数据：“%3$s”%2$.0s", place.text, en, zh);
}

heed_err hd_images_folders(const void *options, const hd_input_env *env, hd_input_parts *out) {
    for (int p = 0; p < HD_PARTS; p++) {
        const char *const *names;
        size_t n;
        hd_where where = hd_where_key(&env->where, keys[p]);
        folder f = {.env = env, .rows = &out->rows[p]};
        HD_TRY(hd_input_texts(env->common->files[p], &where, env->arena, &names, &n));
        if (p == HD_PART_TRAIN && n == 0)
            return nothing_named(env, "train: folder", "train: 文件夹");
        if (n > 0) HD_TRY(begin_rows(&f, options, HD_ROWS_FILE));
        for (size_t i = 0; i < n; i++) HD_TRY(add_named(&f, names[i]));
    }
    return HEED_OK;
}

// ── Reading MNIST's files ──

// Names of the classes: those given, NULL behind them; or their numbers, where none is. (256), in
// the rows' arena.
static heed_err class_names(const folder *f, const json_t *given, const char **out) {
    hd_where where = hd_where_key(&f->env->where, "classes");
    const char *const *names;
    size_t n;
    HD_TRY(hd_input_texts(given, &where, f->env->arena, &names, &n));
    for (size_t i = 0; i < 256; i++) {
        out[i] = NULL;
        if (n > 0 && i >= n) continue;
        out[i] = n > 0 ? hd_arena_strdup(&f->rows->arena, names[i])
                       : hd_arena_printf(&f->rows->arena, "%zu", i);
        if (!out[i]) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

static heed_err check_pair(const hd_idx *x, const hd_idx *y, const char *const *names) {
    if (x->n_dims != 3 || y->n_dims != 1 || x->dim[1] == 0 || x->dim[2] == 0) {
        return HD_FAIL(HEED_INPUT, "'%1$s' should hold images and '%2$s' labels: they don't",
                       "“%1$s”应为图像、“%2$s”应为标签，但不是", names[0], names[1]);
    }
    if (x->dim[0] == y->dim[0]) return HEED_OK;
    return HD_FAIL(HEED_INPUT,
                   "'%s' has %zu images, '%s' has %zu labels: they don't belong together",
                   "“%s”有 %zu 张图像，“%s”有 %zu 个标签：两者不配套", names[0], x->dim[0],
                   names[1], y->dim[0]);
}

static heed_err check_shape(const hd_rows_column *image, const hd_idx *x, const char *name) {
    if (image->shape[1] == 0 || (image->shape[1] == x->dim[1] && image->shape[2] == x->dim[2]))
        return HEED_OK;
    return HD_FAIL(HEED_INPUT, "'%s' has images of %zu × %zu pixels, those before have %zu × %zu",
                   "“%s”的图像为 %zu × %zu 像素，之前的为 %zu × %zu", name, x->dim[1], x->dim[2],
                   image->shape[1], image->shape[2]);
}

// Labels beyond the names that the recipe gives.
static heed_err check_labels(const folder *f, const hd_idx *y, size_t n, const char *name,
                             const char *const *classes) {
    size_t known = 0, i = 0;
    while (known < 256 && classes[known]) known++;
    while (i < n && y->values[i] < known) i++;
    if (i == n) return HEED_OK;
    hd_where where = hd_where_key(&f->env->where, "classes");
    hd_where_words place = hd_where_text(&where);
    return HD_FAIL(HEED_INPUT,
                   "%s: '%s': label %zu is %u, and %zu classes are named (0 to %zu): name them all",
                   "%s：“%s”的第 %zu 个标签为 %u，而只命名了 %zu 个类别（0 到 %zu）：请全部命名",
                   place.text, name, i + 1, (unsigned)y->values[i], known, known - 1);
}

static heed_err fill_pair(folder *f, const hd_idx *x, const hd_idx *y, const char *const *names,
                          const char *const *classes) {
    size_t n = x->dim[0], most = (size_t)f->env->common->rows, first = f->rows->n, file;
    size_t size = x->dim[1] * x->dim[2];
    if (most > 0 && n > most) n = most;
    HD_TRY(hd_rows_add_file(f->rows, names[0], &file));
    HD_TRY(hd_rows_add(f->rows, n));
    hd_rows_column *image = hd_rows_find(f->rows, f->image);
    hd_rows_column *label = hd_rows_find(f->rows, f->label);
    HD_TRY(check_shape(image, x, names[0]));
    HD_TRY(check_labels(f, y, n, names[1], classes));
    image->shape[0] = 1;
    image->shape[1] = x->dim[1];
    image->shape[2] = x->dim[2];
    for (size_t i = 0; i < n; i++) {
        image->cells[first + i] = (hd_slice){(const char *)x->values + i * size, size};
        label->cells[first + i] = hd_slice_of(classes[y->values[i]]);
        f->rows->place[first + i] = hd_rows_at(file, i + 1);
    }
    return HEED_OK;
}

static heed_err add_pair(folder *f, const char *const *names, const char *const *classes) {
    const char *paths[2];
    hd_idx x, y;
    HD_TRY(f->env->find(f->env, names[0], &paths[0]));
    HD_TRY(f->env->find(f->env, names[1], &paths[1]));
    HD_TRY(hd_idx_read(paths[0], &x));
    heed_err err = hd_idx_read(paths[1], &y);
    if (err == HEED_OK) err = check_pair(&x, &y, names);
    if (err == HEED_OK) err = fill_pair(f, &x, &y, names, classes);
    hd_idx_clear(&y);
    heed_err kept = hd_rows_keep(f->rows, (char *)x.block);
    return err == HEED_OK ? kept : err;
}

heed_err hd_images_pairs(const void *options, const hd_input_env *env, hd_input_parts *out) {
    const hd_images_options *o = options;
    const char *classes[256];
    for (int p = 0; p < HD_PARTS; p++) {
        const char *const *names;
        size_t n;
        hd_where where = hd_where_key(&env->where, keys[p]);
        folder f = {.env = env, .rows = &out->rows[p]};
        HD_TRY(hd_input_texts(env->common->files[p], &where, env->arena, &names, &n));
        if (n % 2 == 1 || (p == HD_PART_TRAIN && n == 0))
            return nothing_named(env, "train: [images file, labels file]",
                                 "train: [图像文件, 标签文件]");
        if (n == 0) continue;
        HD_TRY(begin_rows(&f, o, HD_ROWS_PIXELS));
        HD_TRY(class_names(&f, o->classes, classes));
        for (size_t i = 0; i < n; i += 2) HD_TRY(add_pair(&f, names + i, classes));
    }
    return HEED_OK;
}
